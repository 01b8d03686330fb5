# Python packages for a test, in a folder of its own. For scripts to source, with $what set to what they test:
#
#   $work                        a folder that is removed when the script ends
#   environment NAME PACKAGE...  makes $work/NAME, a virtual environment with these packages
#   not_run TEXT                 ends the script with exit code 77: a tool is missing, nothing was tested

not_run() { echo "$what: $*; nothing was tested" >&2; exit 77; }

command -v python3 > /dev/null || not_run "python3 is missing"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || not_run "python3 is older than 3.11"
python3 -c 'import ensurepip, venv' 2> /dev/null || not_run "python3-venv is missing"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

environment() {
    local name=$1
    shift
    python3 -m venv "$work/$name"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$work/$name/bin/pip" install --quiet "$@" || not_run "$* cannot be downloaded"
}
