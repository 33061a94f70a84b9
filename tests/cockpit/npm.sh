#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/cockpit/npm.sh FOLDER
#
# Has npm fetch into FOLDER what package.json names, unless it is there.
set -eu

list=$(dirname "$0")/package.json
mkdir -p "$1"
if [ -e "$1/fetched" ] && cmp -s "$list" "$1/package.json"; then
    exit 0
fi
rm -rf "$1/fetched" "$1/node_modules"
cp "$list" "$1"
npm install --prefix "$1" --no-fund --no-audit --loglevel=error
touch "$1/fetched"
