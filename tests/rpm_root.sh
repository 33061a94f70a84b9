#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/rpm_root.sh BUILD
#
# Builds the RPM packages of what a build installs, and with rpm installs, tries, verifies and removes them: in a root that is this
# machine's own, with all that is written there thrown away. It has no Fedora's names for packages nor its macros for units, so
# neither dependencies nor the units' starts are tried. The last line is `N passed, N failed`. As root.
set -uo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tally.bash
. "$tests/tally.bash"
# shellcheck source=tests/overlay.bash
. "$tests/overlay.bash"
[ $# -eq 1 ] || { echo 'usage: tests/rpm_root.sh BUILD' >&2 && exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/packages"

# shellcheck disable=SC2016 # the root's shell has them
removed='rpm --initdb
rpm --force-debian --install --nodeps /packages/*.rpm
rpm --verify --nodeps vfio-bind vfio-bind-devel cockpit-vfio-bind
[ "$(vfio-bindctl --version)" = "vfio-bindctl $(rpm --query --queryformat "%{VERSION}" vfio-bind)" ]
/usr/libexec/vfio-bindd --help >/dev/null
/usr/libexec/vfio-bind-early --modules
systemd-analyze verify /usr/lib/systemd/system/vfio-bind*.service
echo "# mine" >>/etc/vfio-bind.toml
mkdir -p /run/vfio-bind /run/cdi
touch /run/vfio-bind/ledger.json /run/cdi/vfio-bind.json
rpm --force-debian --erase vfio-bind vfio-bind-devel cockpit-vfio-bind
[ ! -e /run/vfio-bind ] && [ ! -e /run/cdi/vfio-bind.json ]
tail -n 1 /etc/vfio-bind.toml.rpmsave | grep -x "# mine"
left=$(find /etc /usr /var/lib -xdev -newer /packages \( -name "*vfio-bind*" -o -name "*vfiobind*" \) ! -name "*.rpmsave")
[ -z "$left" ] || { echo "left: $left" && exit 1; }'

check 'the packages are built of what is installed' python3 "$tests/rpm_files.py" "$1" "$work/packages" || { tally; exit 1; }
check 'rpm installs and removes them' overlay "$work/packages" "$removed"
tally
