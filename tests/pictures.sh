#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/pictures.sh PACKAGE BUILD
#
# Makes the README's pictures anew, in doc/: of a session in a guest with the Debian package, and of the page in Cockpit on the
# fake daemon that was built in the folder BUILD. The last line is `N passed, N failed`.
set -uo pipefail

[ $# -eq 2 ] || { echo 'usage: tests/pictures.sh PACKAGE BUILD' >&2 && exit 2; }
package=$1 build=$2
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=tests/tally.bash
. tests/tally.bash

check 'the picture of a session' /usr/bin/python3 tests/vm/picture.py --deb "$package"
check 'the picture of the page' /usr/bin/python3 tests/cockpit/run.py --build "$build" --jobs 1 \
    --only '^a picture of it all$' --pictures "$logs/../pictures" &&
    check 'the picture of the page, made small' pngquant --force --output doc/cockpit.png 64 "$logs/../pictures/readme.png"
echo
tally
