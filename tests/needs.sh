#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/needs.sh PART
#
# Installs what a part of tests/run.sh needs and what is missing (as root, on Debian). Where that cannot be done, the last line
# says why.
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

packages() {
    case $1 in
    # What parts have in common.
    gcc) echo g++ ccache kmod libxml2-utils python3 && build_dependencies ;;
    clang) packages gcc && echo clang-19 libclang-rt-19-dev gcovr llvm-19 ;;
    daemon) echo dbus systemd python3-gi gir1.2-glib-2.0 zsh fish ;;
    page) echo python3-selenium chromium chromium-driver cockpit-ws cockpit-bridge ;;
    guests) packages gcc && echo qemu-system-x86 qemu-utils mmdebstrap e2fsprogs ;;
    suite) echo python3 mmdebstrap ;;

    lint) echo git python3 shellcheck clang-format-19 libxml2-utils libdbus-1-dev systemd man-db mandoc rpm rpmlint makepkg \
        appstream ansible-lint prometheus python3-jsonschema python3-nova python3-yaml npm devscripts make yamllint ;;
    deb) packages gcc && echo lintian git python3-jsonschema ;;
    reproducible) packages gcc && echo locales ;;
    rpm) packages gcc && echo rpm ;;
    autopkgtest) packages gcc ;;
    unit | corpora | fuzz | build) packages clang ;;
    bus) packages clang && packages daemon ;;
    cockpit) packages bus && packages page && echo npm ;;
    vm | conformance) packages guests ;;
    iommufd) packages guests && echo make flex bison bc libelf-dev kmod ;;
    leaks) packages gcc && echo dbus valgrind ;;
    tidy) packages clang && echo clang-tidy-19 ;;
    bench) packages guests && echo strace dbus valgrind systemd ;;
    pictures) packages guests && packages bus && packages page && echo python3-rich pngquant ;;
    plain) packages gcc && packages daemon ;;
    all | everything) ;; # their parts need it
    release) echo git ;;
    *) echo "tests/needs.sh: there is no part '$1'" >&2 && return 2 ;;
    esac
}

# The names in debian/control's Build-Depends; of alternatives the first that this release has, and the last, which is Debian
# 12's, where apt has no lists yet.
build_dependencies() {
    local alternatives name
    while read -ra alternatives; do
        for name in "${alternatives[@]}"; do
            if is_installed "$name" || is_known "$name"; then break; fi
        done
        echo "$name"
    done < <(sed -n '/^Build-Depends:/,/^[^ B]/p' "$top/packaging/debian/control" |
        sed -e 's/^Build-Depends://' -e '/^[^ ]/d' -e 's/([^)]*)//g' -e 's/<[^>]*>//g' -e 's/[,|]/ /g' \
            -e '/debhelper-compat/d')
}

# npm may come from elsewhere than Debian.
is_installed() {
    [[ $'\n'$installed$'\n' = *$'\n'"installed $1"$'\n'* ]] || { [ "$1" = npm ] && command -v npm >/dev/null; }
}
# Whether apt could install it.
is_known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

[ $# -eq 1 ] || { echo 'usage: tests/needs.sh PART; tests/run.sh --help names the parts' >&2 && exit 2; }
# shellcheck disable=SC2016 # dpkg-query's
installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' 2>/dev/null)
needed=$(packages "$1") || exit
missing=()
for name in $needed; do
    is_installed "$name" || [[ " ${missing[*]} " = *" $name "* ]] || missing+=("$name")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "missing are ${missing[*]}; run this as root on Debian, or install them"
    exit 1
fi
echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
if ! apt-get update -q || ! apt-get install -q -y --no-install-recommends "${missing[@]}"; then
    echo "could not install ${missing[*]}"
    exit 1
fi
