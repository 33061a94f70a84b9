#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   tests/fuzz/fuzz.sh TARGET SEEDS FOUND SAID
#
# Has libFuzzer try the program TARGET on new inputs, made from those in the folder SEEDS, for FUZZ_SECONDS (default 60). What is
# new of them stays in the folder FOUND; an input that breaks the target, beside it, as FOUND-crash-HASH and the like. How many
# were tried is said in the file SAID.
set -eu

target=$1 seeds=$2 found=$3 said=$4
seconds=${FUZZ_SECONDS:-60}
mkdir -p "$found" "$(dirname "$said")"
timeout $((seconds + 600)) "$target" -max_total_time="$seconds" -timeout=60 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$found-" "$found" "$seeds" >"$found.log" 2>&1 || { cat "$found.log" && exit 1; }
inputs=$(sed -n 's/^stat::number_of_executed_units: *\([1-9][0-9]*\)$/\1/p' "$found.log")
[ -n "$inputs" ] || { cat "$found.log" && echo "$target has tried no input" && exit 1; }
echo "$(basename "$target"), $seconds s: $inputs inputs" >"$said"
