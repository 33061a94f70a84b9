#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs what a part needs (as root, on Debian), builds, runs, and ends with one line `N passed, N failed`.
#
#   tests/run.sh [PART...]
#   tests/run.sh vm [--only REGEX] [--named] [--keep]      see tests/vm/README.md
#   tests/run.sh --suite RELEASE [PART...]
#
#   all              lint, deb, vm, unit, bus, cockpit and corpora: what a change can break on Debian 12 (default)
#   everything       all that there is: besides, the long scenarios, leaks, fuzz, tidy, reproducible, rpm and autopkgtest,
#                    Debian 13 and a build for sid
#
#   lint             formatting, shellcheck, XML, man pages, the sandbox's score
#   deb              builds the Debian packages, lintian, the SBOM
#   unit             the library and vfio-bindctl on the fake kernel: by GCC, and by clang with address and undefined
#                    sanitizers; which lines they run
#   bus              the daemon on a private bus; both builds as above
#   cockpit          the page in Cockpit, in a browser
#   corpora          every input that the fuzz targets are known to like, once
#   vm               the package on a real kernel in a virtual machine (builds it first)
#   iommufd          cdevs and iommufd, on a kernel that is built for it once, in some minutes
#   leaks            a thousand rounds of bind and release under valgrind
#   fuzz             each libFuzzer target for a minute, or as long as FUZZ_SECONDS says
#   tidy             clang-tidy over the C++ sources
#   reproducible     builds the packages once more, where all is different but the source: bit for bit the same
#   rpm              the RPM packages, built of what the Debian packages are; rpm installs, verifies and removes them
#   autopkgtest      the test that vfio-bind-dev brings along; that of vfio-bind is a scenario: vm --only autopkgtest
#   build            builds what the parts above need, and runs nothing
#   bench            measurements, with a table
#   pictures         makes the README's pictures anew, in doc/
#   conformance      asks the same of vfio-bindctl and of the tools of today, and writes doc/conformance.md
#
# With --suite, the parts unit, bus, leaks, deb, vm and iommufd, all or one of them, are run in a root of another Debian release
# (trixie), which is made once, and in a guest of it; builds and logs are in build-RELEASE. And so is `plain`, for sid, too: unit
# and bus by GCC alone and the packages, each source compiled by itself.
#
# A part that cannot run counts as failed and says why. Logs are kept in build/logs and shown on failure, reports of each test
# as JUnit writes them in build/results. Environment: JOBS (default: the number of processors), FUZZ_SECONDS.
set -uo pipefail

# Its caches would change folders of the source while a package build copies them.
export PYTHONDONTWRITEBYTECODE=1
export JOBS=${JOBS:-$(nproc)} FUZZ_SECONDS=${FUZZ_SECONDS:-60}
export CTEST_PARALLEL_LEVEL=$JOBS
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=${tests%/*}
# In another suite's root this is another folder.
builds=$top/${VFIO_BIND_BUILDS:-build}
results=$builds/results
beside=''
declare -A built

usage() { sed -n '/^#   tests/,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

refuse() {
    echo "tests/run.sh: $1" >&2
    usage >&2
    exit 2
}

# build WHAT...: what did not build is not built again in one run; each part that needs it fails and says why.
build() {
    local what
    for what in "$@"; do
        if [ -z "${built[$what]:-}" ]; then
            echo "building: $what"
            built[$what]=broken
            "$tests/build.sh" "$what" >"$logs/build-$what.log" 2>&1 </dev/null ||
                fail "$what does not build" "$logs/build-$what.log" || return
            built[$what]=yes
        fi
        [ "${built[$what]}" = yes ] || fail "$what, which is needed here, did not build" || return
    done
}

package() { find "$builds/deb" -maxdepth 1 -name 'vfio-bind_*.deb'; }

# registered BUILD LABEL...: the tests that CTest has by these labels.
registered() {
    local label
    for label in "${@:2}"; do with_sum "$label-$1" "$tests/ctest.sh" "$label" "$builds/$1" "$results/$label-$1"; done
}

# --- Parts --------------------------------------------------------------------------------------------------

run_part() {
    printf '\n== %s\n' "$*"
    need "$1" && "part_$1" "${@:2}"
}

part_lint() { with_sum lint "$tests/lint.sh"; }
part_deb() {
    build package && check lintian lintian --fail-on error,warning --allow-root "$(package | sed 's/deb$/changes/')"
    # Another release's root need not have the repository, of whose files it tells.
    [ -n "${VFIO_BIND_BUILDS:-}" ] || check 'the SBOM of the packages' python3 "$tests/sbom_test.py" "$builds/deb"
}
part_unit() {
    build package tests && registered gcc unit package
    build clang && registered clang unit
}
part_bus() {
    build package tests && registered gcc bus
    build clang && registered clang bus
}
part_corpora() { build clang && registered clang corpora; }
part_leaks() { build package tests && registered gcc leaks; }
part_fuzz() { build clang && registered clang fuzz; }
part_reproducible() { build package && with_sum reproducible "$tests/reproducible.sh" "$builds/deb"; }
part_rpm() { build package && with_sum rpm "$tests/rpm_root.sh" "$builds"/deb/.work/vfio-bind/obj-*; }
part_autopkgtest() { build package && check "vfio-bind-dev's own test" "$tests/developer.sh" "$builds/deb"; }
part_tidy() { build clang && registered clang tidy; }

part_cockpit() {
    build package tests && check 'npm has axe-core' "$tests/cockpit/npm.sh" "$top/build/npm" || return
    with_sum cockpit timeout 1800 /usr/bin/python3 "$tests/cockpit/run.py" --build "$builds/gcc" --jobs "$JOBS" \
        --axe "$top/build/npm/node_modules/axe-core/axe.min.js" --pictures "$builds/cockpit"
}

# part_vm [ARGUMENT...]: for run.py, which stops what runs beside it while a scenario measures time.
part_vm() {
    build package tests || return
    if [[ " $* " = *' --named '* ]]; then
        need clang && build thread && need page && need iommufd || return
    elif [[ $* = *cockpit* ]]; then
        need page || return
    fi
    VFIO_BIND_KERNEL_TWIN=$builds/gcc/tests/vm/kernel-twin VFIO_BIND_BESIDE=$beside \
        VFIO_BIND_WATCH_OF_THREADS=$top/build/thread/daemon/watch/vfio-bind-watch \
        with_sum 'vm, bookworm' timeout --kill-after=60 14400 /usr/bin/python3 "$tests/vm/run.py" --suite bookworm \
        --deb "$(package)" --junit "$results/vm-bookworm.xml" "$@"
}

part_iommufd() { part_vm --only '^iommufd-'; }

part_build() {
    build package tests && passed=$((passed + 1))
    build clang && passed=$((passed + 1))
}

# The table is the result: a line in it that says `short` is no failure, a measurement that cannot be made is one.
part_bench() {
    build package bench || return
    check bench python3 "$tests/bench/run.py" --programs "$top/build/bench/tests/bench" --deb "$(package)" && cat "$logs/bench.log"
}

part_pictures() { build package tests && with_sum pictures "$tests/pictures.sh" "$(package)" "$builds/gcc"; }

part_conformance() {
    local found=$results/conformance
    rm -rf "$found"
    mkdir -p "$found"
    VFIO_BIND_CONFORMANCE=$found part_vm --only '^conformance-' &&
        check 'doc/conformance.md' "$tests/conformance.py" "$found" "$top/doc/conformance.md"
}

# Another release's compiler and libraries, each source by itself and in the least time.
part_plain() {
    local -x DEB_BUILD_OPTIONS="nocheck noopt parallel=$JOBS" DEB_CXXFLAGS_APPEND=-g0
    build package tests && registered gcc unit bus
}

# --- All of them --------------------------------------------------------------------------------------------

# What a guest, which waits much, leaves of the processors goes to the other build. Should the guests' program have been killed
# while it had stopped it, it goes on here.
end_beside() {
    [ -n "$beside" ] || return 0
    python3 "$tests/vm/beside.py" "$beside" "$@"
    wait "$beside"
    beside=''
}

# run_all [ARGUMENT OF THE GUESTS...]
run_all() {
    local part
    rm -rf "$results"
    mkdir -p "$results"
    if need guests; then # Where the image fails, the guests do, and say why.
        nice python3 "$tests/vm/image.py" bookworm >"$logs/image.log" 2>&1 </dev/null &
    fi
    run_part lint
    run_part deb
    if build package tests && need clang; then
        # Should it fail, it does so once more where it is needed, and that says so.
        nice -n 19 "$tests/build.sh" clang >"$logs/build-beside.log" 2>&1 </dev/null &
        beside=$!
        trap 'end_beside TERM CONT' EXIT
    fi
    run_part vm "$@"
    end_beside CONT
    for part in unit bus cockpit corpora; do run_part "$part"; done
}

part_all() { run_all; check 'every case has been tried' python3 "$tests/cases.py" --ran "$results"; }

# The commit that is checked out; nothing where the tree differs from it.
clean_commit() {
    local git=(git -C "$top" -c "safe.directory=$top")
    [ -n "$("${git[@]}" status --porcelain)" ] || "${git[@]}" rev-parse HEAD
}

# packaging/release.sh asks on which commit all has passed.
part_everything() {
    local part commit=''
    rm -f "$builds/everything-passed"
    need release && commit=$(clean_commit)
    run_all --named
    for part in leaks fuzz tidy reproducible rpm autopkgtest; do run_part "$part"; done
    with_sum trixie "$tests/suite.sh" trixie all iommufd
    with_sum sid "$tests/suite.sh" sid plain
    check 'every case has been tried' python3 "$tests/cases.py" --ran "$results" --everything
    [ "$failed" -gt 0 ] || [ -z "$commit" ] || [ "$commit" != "$(clean_commit)" ] || echo "$commit" >"$builds/everything-passed"
}

main() {
    local suite='' part arguments=()
    local parts='all|everything|lint|deb|unit|bus|cockpit|corpora|vm|iommufd|leaks|fuzz|tidy|reproducible|rpm|autopkgtest'
    parts+='|build|bench|pictures|conformance|plain'
    if [ "${1:-}" = --suite ]; then
        suite=${2:-}
        [[ $suite =~ ^[a-z]+$ ]] || refuse '--suite takes the name of a Debian release, such as trixie'
        parts='all|unit|bus|leaks|deb|vm|iommufd|plain'
        shift 2
    fi
    [[ $FUZZ_SECONDS =~ ^[1-9][0-9]*$ ]] || refuse "FUZZ_SECONDS is '$FUZZ_SECONDS'; it is a whole number of seconds, 1 or more"
    if [ -z "$suite" ] && [ "${1:-}" = vm ] && [[ ${2:-} = -* ]]; then
        arguments=("${@:2}")
        set -- vm
    fi
    [ $# -gt 0 ] || set -- all
    for part in "$@"; do
        [[ ! $part =~ ^(-h|--help)$ ]] || { usage && exit 0; }
        [[ $part =~ ^($parts)$ ]] || refuse "there is no part '$part'${suite:+ for another suite}"
    done
    [ -z "$suite" ] || exec "$tests/suite.sh" "$suite" "$@"
    # shellcheck source=tests/tally.bash
    . "$tests/tally.bash"
    mkdir -p "$results"
    for part in "$@"; do run_part "$part" "${arguments[@]}"; done
    echo
    tally
}

main "$@"
