# A Debian sid in a folder of its own: newer compilers and the emulators that the machine itself does not have. It is
# sourced by scripts/test-aarch64, scripts/musl and scripts/windows from the top of the repository, and is no program.
#
# The root stays between runs, with what it has built. Its place is $CROSS_ROOT, or
# ~/.cache/resnet50-toolkit/sid; $DEBIAN_MIRROR names another mirror than deb.debian.org.

cross_root=${CROSS_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/resnet50-toolkit/sid}
cross_mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
die() { printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
step() { printf '\n== %s (%s, %s)\n' "$1" "$(date +%H:%M:%S)" "$(du -sh "$cross_root" 2>/dev/null | cut -f1)"; }

# Runs a shell line in the root as its administrator; /proc and /dev/pts are there while it runs and nowhere else.
inside() {
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && mkdir -p "$0/dev/pts" &&
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts" && exec chroot "$0" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin \
        HOME=/root TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive CARGO_TERM_COLOR=never \
        CARGO_NET_OFFLINE=${CARGO_NET_OFFLINE:-true} CARGO_BUILD_JOBS=${CARGO_BUILD_JOBS:-'"$(nproc)"'} sh -c "$1"' \
        "$cross_root" "$1"
}

# Makes the root where there is none, and installs the named packages that it lacks.
cross_have() {
    [ "$(id -u)" = 0 ] || die "it makes a Debian root: run it as root"
    [ "$(uname -m)" = x86_64 ] || die "expected an x86-64 machine, got $(uname -m): there the tests run without this"
    if [ ! -e "$cross_root/etc/cross-ready" ]; then
        if ! command -v debootstrap >/dev/null; then
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap
        fi
        step "Debian sid in $cross_root"
        [ -e "$cross_root/usr/bin/apt-get" ] || debootstrap --variant=minbase sid "$cross_root" "$cross_mirror"
        inside "dpkg --add-architecture arm64"
        touch "$cross_root/etc/cross-ready"
    fi
    local missing=() package
    for package in rustc cargo gcc libc6-dev ca-certificates "$@"; do
        [ -n "$(find "$cross_root/var/lib/dpkg/info" -name "$package.list" -o -name "$package:amd64.list")" ] ||
            missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        step "packages: ${missing[*]}"
        # A mirror may be a snapshot of some weeks ago.
        inside "apt-get -o Acquire::Check-Valid-Until=false update -qq &&
            apt-get install -y -qq --no-install-recommends ${missing[*]} >/dev/null && apt-get clean"
    fi
}

# Unpacks packages of another architecture beside those of the machine, without their dependencies and scripts.
cross_unpack() {
    inside "mkdir -p /tmp/unpack && cd /tmp/unpack && apt-get -o Acquire::Check-Valid-Until=false update -qq &&
        apt-get download -qq $* && for package in ./*.deb; do dpkg -x \$package /; done && rm -rf /tmp/unpack"
}

# The sources as they lie here, and what cargo has downloaded. Files that did not change keep their time.
cross_sources() {
    mkdir -p "$cross_root/src" "$cross_root/root/.cargo"
    find "$cross_root/src" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar --null --files-from=- -cf - | tar -xf - -C "$cross_root/src"
    # The root's own Rust takes the place of the one that the project names.
    rm -f "$cross_root/src/rust-toolchain.toml"
    local home=${CARGO_HOME:-$HOME/.cargo}
    if [ -d "$home/registry" ]; then
        cp -au "$home/registry" "$cross_root/root/.cargo/"
    fi
    cp /etc/resolv.conf "$cross_root/etc/resolv.conf"
    if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
        cp /etc/ssl/certs/ca-certificates.crt "$cross_root/etc/ssl/certs/ca-certificates.crt"
    fi
    CARGO_NET_OFFLINE=false inside "cd /src && RUSTC_BOOTSTRAP=1 cargo fetch --locked --quiet --target x86_64-unknown-linux-gnu $*"
}
