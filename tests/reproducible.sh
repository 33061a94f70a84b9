#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/reproducible.sh FOLDER
#
# Builds the packages of this source once more, where all is different that is not to have a part in them, and compares them bit
# for bit with those in FOLDER, which tests/build.sh has built from the same source: another folder with a longer path, other
# modes and times of the sources, another umask, locale, time zone, host name and home, one job more, no ccache.
# The last line is `N passed, N failed`.
set -uo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=${tests%/*}
# shellcheck source=tests/tally.bash
. "$tests/tally.bash"
[ $# -eq 1 ] || { echo 'usage: tests/reproducible.sh FOLDER' >&2 && exit 2; }
first=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
other="$work/a folder's path has a part in nothing/$(printf 'longer-%.0s' {1..12})than-the-first"
other=${other//[ \']/-}

# As who checks the source out with another umask has it, at another time.
copy() {
    mkdir -p "$other/source" "$other/home" "$other/locales" &&
        find "$top" -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name .git -printf '%P\0' |
        tar -C "$top" --create --file=- --mode=go-rwx --mtime='2020-01-01' --exclude=__pycache__ --null --files-from=- |
            tar -C "$other/source" --extract --preserve-permissions --file=- &&
        localedef --inputfile=et_EE --charmap=UTF-8 "$other/locales/et_EE.UTF-8"
}

# In Estonian, z comes before t.
rebuild() {
    local options="nocheck parallel=$((${JOBS:-$(nproc)} + 1))"
    # shellcheck disable=SC2016 # the inner shell's
    env --chdir="$other/source" HOME="$other/home" LOCPATH="$other/locales" LC_ALL=et_EE.UTF-8 LANGUAGE=et TZ=Pacific/Kiritimati \
        CCACHE_DISABLE=1 DEB_BUILD_OPTIONS="$options" DEB_CXXFLAGS_APPEND="${DEB_CXXFLAGS_APPEND:--g1}" \
        nice unshare --uts sh -c 'umask 0077 && hostname elsewhere && exec timeout 3600 packaging/build-deb.sh "$1"' \
        sh "$other/packages"
}

# What differs in two packages: by diffoscope where it is installed, else which files do.
differences() {
    if command -v diffoscope >/dev/null; then
        diffoscope "$1" "$2" | head -n 140
        return
    fi
    local number=0 package
    for package in "$1" "$2"; do
        number=$((number + 1))
        dpkg-deb --raw-extract "$package" "$work/$number" || return
        dpkg-deb --ctrl-tarfile "$package" | tar --list --verbose --full-time >"$work/$number.list" &&
            dpkg-deb --fsys-tarfile "$package" | tar --list --verbose --full-time >>"$work/$number.list" || return
    done
    diff "$work/1.list" "$work/2.list"
    diff --brief --recursive --no-dereference "$work/1" "$work/2"
    rm -rf "$work/1" "$work/2"
}

same() {
    cmp "$1" "$2" && return
    differences "$1" "$2"
    return 1
}

check 'the source is copied to another folder' copy || { tally; exit 1; }
check 'the packages are built in another folder' rebuild || { tally; exit 1; }
names() { find "$1" -maxdepth 1 -name '*.deb' -printf '%f\n' | LC_ALL=C sort; }
check 'it is the same packages' diff <(names "$first") <(names "$other/packages")
for name in $(names "$other/packages"); do
    check "$name is the same bit for bit" same "$first/$name" "$other/packages/$name"
done
tally
