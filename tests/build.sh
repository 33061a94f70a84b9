#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/build.sh WHAT
#
#   package    the Debian packages, in build/deb
#   tests      all tests, linked with the very objects that the package's programs are made of: build/gcc
#   clang      all tests with sanitizers and coverage, the fuzz targets: build/clang
#   thread     vfio-bind-watch with ThreadSanitizer: build/thread
#   bench      what is measured: build/bench
#
# Builds one of these for tests/run.sh, which installs what is needed; tests need the package. Environment: JOBS (default: the
# number of processors), VFIO_BIND_BUILDS (another name for the folder build).
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
builds=$top/${VFIO_BIND_BUILDS:-build}
export CMAKE_BUILD_PARALLEL_LEVEL=${JOBS:-$(nproc)}
cd "$top" || exit

compile() { nice timeout 3600 cmake --build "$@"; }

# All that has a part in a package: what was built of just this is not built anew. A scenario has none.
digest() {
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --anchored --exclude='./build*' --exclude=./.git \
        --exclude='./tests/vm/*.py' --no-anchored --exclude=__pycache__ --create --file=- . |
        cat - /var/lib/dpkg/status <(echo "${DEB_BUILD_OPTIONS:-} ${DEB_CXXFLAGS_APPEND:-}") | sha256sum
}

# It is made small; which symbols there are changes nothing in its programs.
build_package() {
    local -x DEB_CXXFLAGS_APPEND=${DEB_CXXFLAGS_APPEND:--g1} VFIO_BIND_KEEP=yes
    local now
    now=$(digest)
    if [ "$now" != "$(cat "$builds/deb/.digest" 2>/dev/null)" ]; then
        rm -f "$builds/deb"/*.deb "$builds/deb/.digest"
        timeout 3600 packaging/build-deb.sh "$builds/deb" && echo "$now" >"$builds/deb/.digest" || return
    fi
    compgen -G "$builds/deb/vfio-bind_*.deb" || { echo "there is no vfio-bind_*.deb in $builds/deb" && return 1; }
}

# The bench, too, which is run seldom, and is to compile when it is. Debian's package leaves out a builder of initramfs images;
# the test installed-files wants all.
build_tests() {
    local objects=("$builds"/deb/.work/vfio-bind/obj-*)
    cmake -DVFIO_BIND_TESTS=ON -DVFIO_BIND_UNITY_TESTS=ON -U VFIO_BIND_INITRAMFS "${objects[@]}" &&
        compile "${objects[@]}" --target all bench kernel-twin &&
        ln --symbolic --force --no-target-directory "${objects[0]#"$builds"/}" "$builds/gcc"
}

# All that is installed is built, too, so that no warning of clang's is let pass, but vfio-bind-early: that is the library once
# more, and clang-tidy, which passes clang's warnings on, looks at its own sources.
build_clang() { cmake --preset clang -B "$builds/clang" && compile "$builds/clang" --target tested; }
build_thread() { cmake --preset thread && compile --preset thread; }
# Compiled as the package is.
build_bench() { cmake --preset bench && compile --preset bench; }

case "$*" in
package | tests | clang | thread | bench) "build_$1" ;;
*)
    sed -n '/^#   tests/,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
