# What the scripts that start a browser need; for them to source from the top of the repository. $modules is where node
# finds playwright-core afterwards.

missing() { echo "$0: $1 is missing"; exit 77; }
[ -f web-demo/dist/classifier.wasm ] || missing "web-demo/dist"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing Chromium
command -v node >/dev/null || missing node
tools=web-demo/dist-test
[ -d "$tools/node_modules/playwright-core" ] ||
    npm install --silent --no-save --prefix "$tools" playwright-core || missing playwright-core
# shellcheck disable=SC2034 # It is for the script that sources this.
modules=$PWD/$tools/node_modules
