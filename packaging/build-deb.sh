#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Builds the Debian packages from the working tree as it is.
#
#   packaging/build-deb.sh [OUTDIR]     default: build/deb in the source tree
#
# Missing build dependencies are installed when run as root. No tests run in the package build (tests/run.sh does
# that); DEB_BUILD_OPTIONS=... given from outside replaces this. With VFIO_BIND_KEEP=yes what was built stays in
# OUTDIR/.work, until the next build there. The last line printed is the path of vfio-bind's .deb.
set -euo pipefail

fail() {
    echo "build-deb.sh: $*" >&2
    exit 1
}

[ $# -le 1 ] || fail "takes at most one argument, the folder for the packages; got: $*"
case "${1:-}" in
-h | --help)
    sed -n '/^# Builds/,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '/^set /d'
    exit 0
    ;;
-*) fail "unknown option $1; the only argument is the folder for the packages" ;;
esac

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out_dir=${1:-$source_dir/build/deb}
mkdir -p "$out_dir"
out_dir=$(cd "$out_dir" && pwd)
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck}

# One fixed place a folder, so that ccache finds the same paths again; two builds into one folder wait for each other.
exec 9>"$out_dir/.lock"
flock 9
work_dir=$out_dir/.work
rm -rf "$work_dir"
[ "${VFIO_BIND_KEEP:-}" = yes ] || trap 'rm -rf "$work_dir"' EXIT
tree=$work_dir/vfio-bind
mkdir -p "$tree"
# debhelper gives the build an empty home of its own, so the cache is named.
if command -v ccache >/dev/null; then
    CCACHE_DIR=${CCACHE_DIR:-$(ccache --get-config cache_dir)}
    export CCACHE_DIR
fi

# dpkg-buildpackage wants debian/ at the top; a test finds it where it was. Builds, and what a package build leaves, are no
# sources; tar would take it amiss if another build began a folder at the top meanwhile, so it is not given the top itself.
find "$source_dir" -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name .git -printf '%P\0' |
    tar -C "$source_dir" --create --file=- --anchored --exclude="${out_dir#"$source_dir"/}" \
        --no-anchored --exclude=__pycache__ --null --files-from=- | tar -C "$tree" --extract --file=-
cp -R "$tree/packaging/debian" "$tree/debian"
cd "$tree"

missing_tools=()
command -v dpkg-buildpackage >/dev/null || missing_tools+=(dpkg-dev)
command -v dh >/dev/null || missing_tools+=(debhelper)
if [[ " $DEB_BUILD_OPTIONS " == *" nocheck "* ]]; then
    export DEB_BUILD_PROFILES=nocheck
fi
if [ "${#missing_tools[@]}" -gt 0 ] || ! dpkg-checkbuilddeps 2>"$work_dir/deps"; then
    if [ "$(id -u)" -ne 0 ]; then
        fail "missing: ${missing_tools[*]} $(sed 's/.*: //' "$work_dir/deps" 2>/dev/null); install that, or run this as root"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends dpkg-dev debhelper
    apt-get build-dep -q -y --no-install-recommends ./
fi

# Symbols go to -dbgsym packages that nobody here reads; they double the time.
case " $DEB_BUILD_OPTIONS " in
*" noautodbgsym "*) ;;
*) DEB_BUILD_OPTIONS+=" noautodbgsym" ;;
esac
dpkg-buildpackage --build=binary --no-sign

version=$(dpkg-parsechangelog --show-field Version)
arch=$(dpkg --print-architecture)
mv -f "$work_dir"/*.deb "$work_dir"/*.changes "$work_dir"/*.buildinfo "$out_dir"
echo "$out_dir/vfio-bind_${version}_$arch.deb"
