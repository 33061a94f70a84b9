#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/developer.sh FOLDER
#
# The package's own test of vfio-bind-dev (packaging/debian/tests), which is installed for it from the FOLDER. What the other of
# these tests needs is a machine: tests/vm has it. As root.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/overlay.bash
. "$tests/overlay.bash"
[ $# -eq 1 ] || { echo 'usage: tests/developer.sh FOLDER' >&2 && exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1"/vfio-bind-dev_*.deb "${tests%/*}/packaging/debian/tests/developer" "$folder"
overlay "$folder" 'dpkg --install /packages/vfio-bind-dev_*.deb; /packages/developer'
