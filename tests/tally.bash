# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Counts what passes and what fails, for the scripts beside it, which source it and end with `tally`. What a command says goes
# into a log of its own below $logs, which is shown should it fail.
logs=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/${VFIO_BIND_BUILDS:-build}/logs
passed=0
failed=0
if ! mkdir -p "$logs" || [ ! -w "$logs" ]; then
    echo "$0: $logs, where logs go, cannot be written to" >&2
    exit 1
fi

log_of() { echo "$logs/$(tr -cs '[:alnum:]\n' '-' <<<"$1").log"; }

# show LOG: what GoogleTest or a compiler wrote into it, or, where they wrote nothing, its end.
show() {
    echo "  --- ${1#"${logs%/*/logs}"/}"
    if grep -q ': Failure$' "$1"; then
        grep -A 15 -E ': Failure$|\[  FAILED  \]' "$1" | head -n 150
    elif grep -qE '^[^ ]+: (fatal )?error: ' "$1"; then
        grep -A 4 -E '^[^ ]+: (fatal )?error: ' "$1" | head -n 60
    else
        tail -n 150 "$1"
    fi | sed 's/^/  | /'
}

# fail SENTENCE [LOG]: fails itself.
fail() {
    failed=$((failed + 1))
    echo "FAIL $1"
    [ ! -s "${2:-}" ] || show "$2"
    return 1
}

# check NAME COMMAND...: a command that passes or fails as one test.
check() {
    local log
    log=$(log_of "$1")
    "${@:2}" >"$log" 2>&1 </dev/null || fail "$1" "$log" || return
    passed=$((passed + 1))
    echo "ok $1"
}

# add_up WHAT SUM LOG: a run's own sum goes into this one's.
add_up() {
    [[ $2 =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] || fail "$1 did not come to its end" "$3" || return
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
}

# with_sum WHAT COMMAND...: a command that shows itself what fails, and whose last line is its sum.
with_sum() {
    local log
    log=$(log_of "$1")
    rm -f "$log"
    "${@:2}" 2>&1 </dev/null | tee "$log" | grep --line-buffered -vE '^[0-9]+ passed, [0-9]+ failed$'
    add_up "$1" "$(tail -n 1 "$log")" "$log"
}

# need PART: installs what it needs. Should that fail, what apt said is shown, if it was asked.
need() {
    local log=$logs/needs-$1.log
    "${BASH_SOURCE[0]%/*}/needs.sh" "$1" 2>&1 </dev/null | tee "$log" | grep --line-buffered '^installing: '
    [ "${PIPESTATUS[0]}" -eq 0 ] || fail "$1: $(tail -n 1 "$log")" "$(grep -l '^installing: ' "$log")"
}

# The last line; whether nothing failed, and something passed.
tally() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
