#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/ctest.sh LABEL BUILD RESULTS
#
# Runs the tests of CTest that have the label and were built in the folder BUILD, and leaves their reports, as JUnit has them, in
# the folder RESULTS: of GoogleTest's programs, of each case. Shows what failed, and what a test has written into
# BUILD/reports/LABEL/*.txt. The last line is `N passed, N failed`. Environment: CTEST_PARALLEL_LEVEL.
set -uo pipefail

[ $# -eq 3 ] || { echo 'usage: tests/ctest.sh LABEL BUILD RESULTS' >&2 && exit 2; }
label=$1 build=$2 results=$(realpath --canonicalize-missing "$3")
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tally.bash
. "$tests/tally.bash"
name=$(basename "$results")
log=$logs/ctest-$name.log
written=$build/reports/$label

rm -rf "$results" "$written"
mkdir -p "$results" "$written"
# Each has its own limit.
timeout 14400 ctest --test-dir "$build" --label-regex "^$label\$" --no-tests=error --output-on-failure \
    --output-junit "$results/ctest.xml" >"$log" 2>&1 </dev/null
status=$?
find "$written" -name '*.xml' -exec cp {} "$results" \;
find "$written" -name '*.txt' -print0 | sort --zero-terminated | xargs --null --no-run-if-empty cat
sum=$(python3 "$tests/reports.py" "$results")
add_up "$name" "$sum" "$log"
if [ "$failed" -gt 0 ]; then
    echo "FAIL $name: $sum"
    show "$log"
elif [ "$status" -ne 0 ] || [ "$passed" -eq 0 ]; then
    fail "$name: $sum, but ctest ended with $status (has a test not run?)" "$log"
else
    echo "$name: $sum"
fi
# Such a test would never be run.
unknown=$(ctest --test-dir "$build" --show-only --label-exclude '^(unit|package|bus|corpora|leaks|fuzz|tidy|coverage)$' 2>/dev/null |
    sed -n 's/^ *Test *#[0-9]*: *//p')
[ -z "$unknown" ] || fail "no part of tests/run.sh runs these tests in $build, by their labels: ${unknown//$'\n'/ }"
tally
