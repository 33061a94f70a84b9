#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/suite.sh RELEASE PART...
#
# Runs parts of tests/run.sh in a root of another Debian release, which is made once, but `vm` and `iommufd`, which are guests of
# that release with the package that the part `deb` has built there; `all` is all but `iommufd` and `plain`. The last line is `N passed, N failed`.
set -uo pipefail

[ $# -gt 1 ] || { echo 'usage: tests/suite.sh RELEASE PART...; tests/run.sh --help names them' >&2 && exit 2; }
suite=$1
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/tally.bash
. "$top/tests/tally.bash"

# guests PART [ARGUMENT OF THE GUESTS...]
guests() {
    local package part=$1
    shift
    package=$(find "$top/build-$suite/deb" -maxdepth 1 -name 'vfio-bind_*.deb' 2>/dev/null)
    [ -n "$package" ] || fail "$part: there is no package for $suite; its part deb builds it" || return
    need "${part/vm/guests}" || return
    mkdir -p "$top/build/results"
    VFIO_BIND_KERNEL_TWIN=$top/build-$suite/gcc/tests/vm/kernel-twin with_sum "$part, $suite" timeout --kill-after=60 14400 \
        /usr/bin/python3 "$top/tests/vm/run.py" --suite "$suite" --deb "$package" --junit "$top/build/results/$part-$suite.xml" "$@"
}

parts=${*:2}
for part in ${parts//all/unit bus leaks deb vm}; do
    printf '\n== %s: %s\n' "$suite" "$part"
    if [ "$part" = vm ]; then
        guests vm
    elif [ "$part" = iommufd ]; then
        guests iommufd --only '^iommufd-'
    elif need suite; then
        with_sum "$suite: $part" timeout --kill-after=60 7200 python3 "$top/tests/vm/suite.py" "$suite" \
            env "VFIO_BIND_BUILDS=build-$suite" ${JOBS:+"JOBS=$JOBS"} tests/run.sh "$part"
    fi
done
echo
tally
