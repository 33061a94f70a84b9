#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The main job for somebody with no spare card: builds vfio-bind, boots a guest with a graphics card and its audio
# function in one IOMMU group, and binds them by a configuration that names only the card.
#
#   sudo packaging/try.sh [--config FILE] [--no-prompt]
#
# Exit 0 only if the group was bound. Nothing of the host is touched but missing packages, which are installed, and
# a cache of the guest's disk image (VFIO_BIND_CACHE, default /var/cache/vfio-bind-tests).
set -eu

usage() {
    echo "usage: sudo $0 [--config FILE] [--no-prompt]"
}

config=
prompt=
while [ $# -gt 0 ]; do
    case $1 in
        --config)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            config=$2
            shift
            ;;
        --no-prompt) prompt=--no-prompt ;;
        -h | --help) usage; exit 0 ;;
        *) echo "try.sh: unknown argument '$1'" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

if [ "$(id -u)" -ne 0 ]; then
    echo "try.sh: building the guest's disk needs root: sudo $0" >&2
    exit 1
fi
if [ -n "$config" ] && [ ! -r "$config" ]; then
    echo "try.sh: the configuration $config cannot be read" >&2
    exit 1
fi

top=$(cd "$(dirname "$0")/.." && pwd)

# Each program with the Debian package that has it.
missing=
for pair in qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mmdebstrap:mmdebstrap mke2fs:e2fsprogs \
    python3:python3 setpriv:util-linux; do
    if ! command -v "${pair%%:*}" >/dev/null 2>&1; then
        missing="$missing ${pair#*:}"
    fi
done
if [ -n "$missing" ]; then
    echo "try.sh: installing$missing"
    apt-get update -q
    # shellcheck disable=SC2086  # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi

# build-deb.sh prints much, and the package's path last.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "try.sh: building the package (a minute or two)"
if ! "$top/packaging/build-deb.sh" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "try.sh: the package could not be built; above are the last lines of packaging/build-deb.sh" >&2
    exit 1
fi
deb=$(tail -n 1 "$log")
if [ ! -f "$deb" ]; then
    echo "try.sh: packaging/build-deb.sh ended well but named no package: '$deb'" >&2
    exit 1
fi

# shellcheck disable=SC2086  # empty means no argument
python3 "$top/tests/vm/try.py" --deb "$deb" ${config:+--config "$config"} $prompt
