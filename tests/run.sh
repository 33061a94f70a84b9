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
#   everything       all that there is: besides, the long scenarios, leaks, fuzz and tidy, Debian 13 and a build for sid
#
#   lint             formatting, shellcheck, XML, man pages, the sandbox's score
#   deb              builds the Debian packages, lintian
#   unit             the library and vfio-bindctl on the fake kernel: by GCC, and by clang with address and undefined
#                    sanitizers; which lines they run
#   bus              the daemon on a private bus; both builds as above
#   cockpit          the page in Cockpit, in a browser
#   corpora          every input that the fuzz targets are known to like, once
#   vm               the package on a real kernel in a virtual machine (builds it first)
#   leaks            a thousand rounds of bind and release under valgrind
#   fuzz             each libFuzzer target for a minute, or as long as FUZZ_SECONDS says
#   tidy             clang-tidy over the C++ sources
#   build            builds what the parts above need, and runs nothing
#   bench            measurements, with a table
#   pictures         makes the README's pictures anew, in doc/
#
# With --suite, the parts unit, bus, leaks, deb and vm, all or one of them, are run in a root of another Debian release (trixie),
# which is made once, and in a guest of it; builds and logs are in build-RELEASE. And so is `plain`, for sid, too: unit and bus
# by GCC alone and the packages, each source compiled by itself.
#
# A part that cannot run counts as failed and says why. Logs are kept in build/logs and shown on failure, reports of each test
# as JUnit writes them in build/results. Environment: JOBS (default: the number of processors), FUZZ_SECONDS.
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# In another suite's root this is another folder.
builds=$top/${VFIO_BIND_BUILDS:-build}
logs=$builds/logs
results=$builds/results
jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-60}
passed=0
failed=0
package=''
# Its caches would change folders of the source while a package build copies them.
export PYTHONDONTWRITEBYTECODE=1

usage() { sed -n '/^#   tests/,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# fail_with SENTENCE [LOG]: with what GoogleTest or a compiler wrote into the log, or, where they wrote nothing, the log's end.
fail_with() {
    failed=$((failed + 1))
    echo "FAIL $1"
    [ -s "${2:-}" ] || return 0
    echo "  --- ${2#"$top"/}"
    if grep -q ': Failure$' "$2"; then
        grep -A 15 -E ': Failure$|\[  FAILED  \]' "$2" | head -n 150 | sed 's/^/  | /'
    elif grep -qE '^[^ ]+: (fatal )?error: ' "$2"; then
        grep -A 4 -E '^[^ ]+: (fatal )?error: ' "$2" | head -n 60 | sed 's/^/  | /'
    else
        tail -n 150 "$2" | sed 's/^/  | /'
    fi
}

# check NAME COMMAND...: a command that passes or fails as one test.
check() {
    local name=$1 log
    shift
    log=$logs/$(tr -c '[:alnum:]\n' '-' <<<"$name").log
    if "$@" >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        fail_with "$name" "$log"
        return 1
    fi
}

# add_up WHAT LOG: a run whose last line is its own sum, which goes into this one's.
add_up() {
    if [[ $(tail -n 1 "$2") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
    else
        fail_with "$1 did not come to its end" "$2"
    fi
}

# with_sum WHAT LOG COMMAND...: such a run, shown but for its sum.
with_sum() {
    local what=$1 log=$2
    shift 2
    "$@" 2>&1 </dev/null | tee "$log" | grep --line-buffered -vE '^[0-9]+ passed, [0-9]+ failed$'
    add_up "$what" "$log"
}

# --- What is needed -----------------------------------------------------------------------------------------

is_installed() { [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
# Whether apt could install it.
is_known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# The names in debian/control's Build-Depends; of alternatives the first that this release has, and the last, which is Debian
# 12's, where apt has no lists yet.
build_dependencies() {
    local alternatives name
    while read -ra alternatives; do
        for name in "${alternatives[@]}"; do
            if is_installed "$name" || is_known "$name"; then break; fi
        done
        echo "$name"
    done < <(sed -n '/^Build-Depends:/,/^[^ B]/p' "$top/packaging/debian/control" |
        sed -e 's/^Build-Depends://' -e '/^[^ ]/d' -e 's/([^)]*)//g' -e 's/<[^>]*>//g' -e 's/[,|]/ /g' \
            -e '/debhelper-compat/d')
}

# need PART PACKAGE...: installs those that are missing.
need() {
    local part=$1 name missing=()
    shift
    for name in "$@"; do
        is_installed "$name" || missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        fail_with "$part: missing are ${missing[*]}; run this as root on Debian, or install them"
        return 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
        >"$logs/install-$part.log" 2>&1 </dev/null; then
        fail_with "$part: could not install ${missing[*]}" "$logs/install-$part.log"
        return 1
    fi
}

# Whatever package it is from.
need_npm() { command -v npm >/dev/null || need "$1" npm; }

need_to_build() {
    local dependencies
    mapfile -t dependencies < <(build_dependencies)
    need "$1" g++ ccache kmod libxml2-utils python3 "${dependencies[@]}"
}
need_to_sanitize() { need_to_build "$1" && need "$1" clang-19 libclang-rt-19-dev gcovr llvm-19; }
need_for_bus() { need_to_sanitize bus && need bus dbus systemd python3-gi gir1.2-glib-2.0 zsh fish; }
need_for_page() { need "$1" python3-selenium chromium chromium-driver cockpit-ws cockpit-bridge; }
need_for_guests() { need_to_build vm && need vm qemu-system-x86 qemu-utils mmdebstrap e2fsprogs; }

# --- Builds -------------------------------------------------------------------------------------------------

declare -A built

# once NAME COMMAND...: what did not build is not built again in one run; each part that needs it fails and says why.
once() {
    local name=$1 log=$logs/build-$1.log
    shift
    if [ -z "${built[$name]:-}" ]; then
        echo "building: $name"
        built[$name]=yes
        if ! "$@" >"$log" 2>&1 </dev/null; then
            built[$name]=broken
            fail_with "$name does not build" "$log"
        fi
    elif [ "${built[$name]}" = broken ]; then
        fail_with "$name, which is needed here, did not build"
    fi
    [ "${built[$name]}" = yes ]
}

compile() { nice timeout 3600 cmake --build "$1" --parallel "$jobs" --target "${@:2}"; }

# All that has a part in a build: what was built of just this is not built anew. A scenario has none.
digest() {
    tar -C "$top" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --anchored --exclude='./build*' --exclude=./.git \
        --exclude='./tests/vm/*.py' --no-anchored --exclude=__pycache__ --create --file=- . |
        cat - /var/lib/dpkg/status <(echo "${DEB_BUILD_OPTIONS:-} ${DEB_CXXFLAGS_APPEND:-}") | sha256sum
}

# The package, and the tests, linked with the very objects that the package's programs are made of. The bench, too, which is
# run seldom, and is to compile when it is. The package is made small; which symbols there are changes nothing in its programs.
make_package() {
    local -x DEB_CXXFLAGS_APPEND=${DEB_CXXFLAGS_APPEND:--g1} VFIO_BIND_KEEP=yes
    local now
    now=$(digest)
    [ "$now" = "$(cat "$builds/deb/.digest" 2>/dev/null)" ] && return
    rm -f "$builds/deb"/*.deb "$builds/deb/.digest"
    timeout 3600 "$top/packaging/build-deb.sh" "$builds/deb" && echo "$now" >"$builds/deb/.digest"
}

# Debian's package leaves out a builder of initramfs images; the test installed-files wants all.
make_tests() {
    cmake -DVFIO_BIND_TESTS=ON -DVFIO_BIND_UNITY_TESTS=ON -U VFIO_BIND_INITRAMFS "$packaged" &&
        compile "$packaged" all bench kernel-twin
}

configure_clang() { cmake -S "$top" --preset clang -B "$clang"; }
# All that is installed is built, too, so that no warning of clang's is let pass, but vfio-bind-early: that is the library once
# more, and clang-tidy, which passes clang's warnings on, looks at its own sources.
make_clang() { configure_clang && compile "$clang" tested; }
make_thread() { cmake -S "$top" --preset thread && compile "$top/build/thread" vfio-bind-watch; }
# What is measured is compiled as the package is.
make_bench() {
    cmake -S "$top" -B "$top/build/bench" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache &&
        compile "$top/build/bench" bench
}

packaged=$builds/deb/.work/vfio-bind/obj-$(dpkg-architecture --query DEB_HOST_GNU_TYPE 2>/dev/null || echo x86_64-linux-gnu)
clang=$builds/clang

build_package() {
    once package make_package || return
    package=$(find "$builds/deb" -maxdepth 1 -name 'vfio-bind_*.deb')
    [ -n "$package" ] || { fail_with "package: no vfio-bind_*.deb in ${builds#"$top"/}/deb"; return 1; }
}
build_tests() { build_package && once tests make_tests; }
build_clang() { once clang make_clang; }

# --- Parts --------------------------------------------------------------------------------------------------

# run_registered LABEL FOLDER: the tests of CTest that have the label. Where they are GoogleTest's, their cases are counted.
run_registered() {
    local label=$1 folder=$2 name=$1-gcc reports log status sum
    [ "$folder" != "$clang" ] || name=$1-clang
    reports=$results/$name
    log=$logs/$name.log
    rm -rf "$reports" "$folder/reports/$label"
    mkdir -p "$reports"
    timeout 3600 ctest --test-dir "$folder" --label-regex "^$label\$" --parallel "$jobs" --no-tests=error --output-on-failure \
        --output-junit "$reports/ctest.xml" >"$log" 2>&1 </dev/null
    status=$?
    if [ -d "$folder/reports/$label" ]; then
        rm -f "$reports/ctest.xml"
        cp "$folder/reports/$label"/*.xml "$reports"
    fi
    sum=$(python3 "$top/tests/reports.py" "$reports")
    echo "$name: ${sum:-no report can be read}"
    add_up "$name" <(echo "$sum")
    if [ "$status" -ne 0 ] && [[ $sum = *' 0 failed' ]]; then
        fail_with "$name ended with an error though none of its cases failed (a crash, a leak, a time-out?)" "$log"
    elif [ "$status" -ne 0 ]; then
        failed=$((failed - 1))
        fail_with "$name: $sum" "$log"
    fi
}

part_lint() {
    need lint git python3 shellcheck clang-format-19 libxml2-utils libdbus-1-dev systemd man-db mandoc rpm rpmlint makepkg \
        appstream ansible-lint prometheus python3-jsonschema python3-nova python3-yaml && need_npm lint || return
    with_sum lint "$logs/lint.log" "$top/tests/lint.sh"
}

part_deb() {
    need_to_build deb && need deb lintian && build_package || return
    check 'lintian' lintian --fail-on error,warning --allow-root "${package%.deb}.changes"
}

part_unit() {
    need_to_sanitize unit || return
    if build_tests; then
        run_registered unit "$packaged"
        run_registered package "$packaged"
    fi
    build_clang || return
    find "$clang" -name '*.gcda' -delete
    run_registered unit "$clang"
    show_coverage lib 90
}

part_bus() {
    need_for_bus || return
    build_tests && run_registered bus "$packaged"
    build_clang || return
    run_registered bus "$clang"
    show_coverage daemon
    show_coverage ctl
}

# show_coverage FOLDER [PERCENT]: which of its lines the tests ran, a file a line.
show_coverage() {
    local table=$logs/coverage-$1.txt
    rm -f "$table"
    check "the lines of $1 that were run${2:+ are $2 % at least}" gcovr -j "$jobs" --gcov-executable 'llvm-cov-19 gcov' \
        --root "$top" --filter "$top/$1/" --exclude '.*_test\.cpp$' --fail-under-line "${2:-0}" --txt "$table" "$clang/$1"
    [ ! -e "$table" ] || cat "$table"
}

# The page in Cockpit.
part_cockpit() {
    need_for_bus && need_for_page cockpit && need_npm cockpit && build_tests || return
    check 'npm has axe-core' "$top/tests/cockpit/npm.sh" "$top/build/npm" || return
    with_sum cockpit "$logs/cockpit.log" timeout 1800 /usr/bin/python3 "$top/tests/cockpit/run.py" --build "$packaged" --jobs "$jobs" \
        --axe "$top/build/npm/node_modules/axe-core/axe.min.js" --pictures "$builds/cockpit"
}

part_corpora() { need_to_sanitize corpora && build_clang && run_registered corpora "$clang"; }

# The daemon on the fake kernel, a thousand times bind and release: no leak; the test itself counts descriptors and children.
part_leaks() {
    need_to_build leaks && need leaks dbus valgrind && build_tests || return
    check 'valgrind, 1,000 rounds of bind and release' env VFIO_BIND_ROUNDS=1000 \
        VFIO_BIND_UNDER='valgrind --leak-check=full --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=9 --child-silent-after-fork=yes' \
        timeout 3600 "$packaged/tests/bus/bus-tests" --gtest_filter='RoundsTest.*'
}

beside=''
# part_vm [ARGUMENT...]: for run.py, which stops what runs beside it while a scenario measures time.
part_vm() {
    need_for_guests && build_tests || return
    if [[ " $* " = *' --named '* ]]; then
        need_to_sanitize vm && once thread make_thread && need_for_page vm || return
    elif [[ "$*" = *cockpit* ]]; then
        need_for_page vm || return
    fi
    run_guests bookworm "$@"
}

# run_guests RELEASE [ARGUMENT...]
run_guests() {
    VFIO_BIND_KERNEL_TWIN=$packaged/tests/vm/kernel-twin VFIO_BIND_WATCH_OF_THREADS=$top/build/thread/daemon/watch/vfio-bind-watch \
        VFIO_BIND_BESIDE=$beside with_sum "vm, $1" "$logs/vm-$1.log" timeout --kill-after=60 14400 \
        /usr/bin/python3 "$top/tests/vm/run.py" --suite "$1" --deb "$package" --junit "$results/vm-$1.xml" "${@:2}"
}

# fuzz TARGET: what the fuzzer finds new stays in build/clang/corpus; an input that breaks the target, in the logs.
fuzz() {
    local target=$1 found=$clang/corpus/$1 log=$logs/fuzz-$1.out
    mkdir -p "$found"
    GCOV_PREFIX=$clang/coverage-of-fuzzers timeout $((fuzz_seconds + 600)) "$clang/tests/fuzz/fuzz-$target" \
        -max_total_time="$fuzz_seconds" -timeout=60 -print_final_stats=1 -verbosity=0 -artifact_prefix="$logs/fuzz-$target-" \
        "$found" "$top/tests/fuzz/corpus/$target" 2>&1 | tee "$log"
    [ "${PIPESTATUS[0]}" -eq 0 ] && grep -q '^stat::number_of_executed_units: *[1-9]' "$log"
}

part_fuzz() {
    local target
    need_to_sanitize fuzz && build_clang || return
    for target in "$top"/tests/fuzz/corpus/*/; do
        target=$(basename "$target")
        check "fuzz-$target, $fuzz_seconds s" fuzz "$target"
        sed -n 's/^stat::number_of_executed_units: */  inputs: /p' "$logs/fuzz-$target.out"
    done
}

# Over unity sources: the headers, which are most of the work, are then read once for several sources. That these include
# sources is no mistake. vfio-bind-early's would be the whole library once more: of that only its own sources are looked at
# (the unit tests have group_work.cpp, and so it is among the others).
part_tidy() {
    local options=("-checks=-bugprone-suspicious-include" "-config-file=$top/.clang-tidy") early
    need_to_sanitize tidy && need tidy clang-tidy-19 && build_clang || return
    if [ ! -d "$clang/lib/CMakeFiles/vfiobind.dir/Unity" ]; then # run-clang-tidy is content with no source at all
        fail_with "tidy: $clang has no unity sources where they are looked for"
        return
    fi
    check 'clang-tidy' run-clang-tidy-19 -quiet -p "$clang" "${options[@]}" -j "$jobs" \
        "^$clang/(lib|daemon|ctl)/(?!.*/(vfio-bind-early|ctl-tests)\.dir/).*/Unity/" "^$top/(lib|daemon|ctl)/.*(?<!_test)\.cpp\$"
    mapfile -t early < <(find "$top/daemon/early" -name '*.cpp' ! -name group_work.cpp ! -name '*_test.cpp')
    check 'clang-tidy, vfio-bind-early' clang-tidy-19 -quiet -p "$clang" "${options[@]}" "${early[@]}"
}

# The table is the result: a line in it that says `short` is no failure, a measurement that cannot be made is one.
part_bench() {
    need_for_guests && need bench strace dbus && build_package && once bench make_bench || return
    check 'bench' python3 "$top/tests/bench/run.py" --programs "$top/build/bench/tests/bench" --deb "$package" &&
        cat "$logs/bench.log"
}

part_pictures() {
    need_for_guests && need_for_bus && need_for_page pictures && need pictures python3-rich pngquant && build_tests || return
    check 'the picture of a session' /usr/bin/python3 "$top/tests/vm/picture.py" --deb "$package"
    check 'the picture of the page' /usr/bin/python3 "$top/tests/cockpit/run.py" --build "$packaged" --jobs 1 \
        --only '^a picture of it all$' --pictures "$builds/pictures" &&
        check 'the picture of the page, made small' pngquant --force --output "$top/doc/cockpit.png" 64 "$builds/pictures/readme.png"
}

part_build() {
    need_to_sanitize build || return
    build_tests && passed=$((passed + 1))
    build_clang && passed=$((passed + 1))
}

# Another release's compiler and libraries, each source by itself and in the least time.
part_plain() {
    local -x DEB_BUILD_OPTIONS="nocheck noopt parallel=$jobs" DEB_CXXFLAGS_APPEND=-g0
    need_to_build plain && need plain dbus systemd python3-gi gir1.2-glib-2.0 zsh fish && build_tests || return
    run_registered unit "$packaged"
    run_registered bus "$packaged"
}

# --- Runs ---------------------------------------------------------------------------------------------------

run_part() {
    printf '\n== %s\n' "$*"
    "part_$1" "${@:2}"
}

# What a guest, which waits much, leaves of the processors goes to the other build. Should the guests' program have been killed
# while it had stopped it, it goes on here.
end_beside() {
    [ -n "$beside" ] || return 0
    python3 "$top/tests/vm/beside.py" "$beside" "$@"
    wait "$beside"
    beside=''
}

# run_all [ARGUMENT OF THE GUESTS...]
run_all() {
    rm -rf "$results"
    mkdir -p "$results"
    # Where it fails, the guests do, and say why.
    if need_for_guests; then
        nice python3 "$top/tests/vm/image.py" bookworm >"$logs/image.log" 2>&1 </dev/null &
    fi
    run_part lint
    run_part deb
    if build_tests && need_to_sanitize clang && configure_clang >"$logs/build-beside.log" 2>&1; then
        # Should it fail, it does so once more where it is needed, and that says so.
        nice -n 19 timeout 3600 cmake --build "$clang" --parallel "$jobs" --target tested >>"$logs/build-beside.log" 2>&1 </dev/null &
        beside=$!
        trap 'end_beside TERM CONT' EXIT
    fi
    run_part vm "$@"
    end_beside CONT
    run_part unit
    run_part bus
    run_part cockpit
    run_part corpora
}

# suite_part RELEASE PART: in a root of that release, whose packages are then tried in its guest.
suite_part() {
    local suite=$1 part=$2 within=${packaged#"$builds"/}
    local builds=$top/build-$suite
    local packaged=$builds/$within
    printf '\n== %s: %s\n' "$suite" "$part"
    need "$suite" python3 mmdebstrap || return
    if [ "$part" = vm ]; then
        package=$(find "$builds/deb" -maxdepth 1 -name 'vfio-bind_*.deb' 2>/dev/null)
        [ -n "$package" ] || { fail_with "vm: there is no package for $suite; its part deb builds it"; return; }
        need_for_guests && run_guests "$suite"
        return
    fi
    with_sum "$suite: $part" "$logs/$suite-$part.log" timeout --kill-after=60 7200 python3 "$top/tests/vm/suite.py" "$suite" \
        env "VFIO_BIND_BUILDS=build-$suite" "JOBS=$jobs" tests/run.sh "$part"
}

run_suite() {
    local part
    for part in unit bus leaks deb vm; do suite_part "$1" "$part"; done
}

# The commit that is checked out; nothing where the tree differs from it.
clean_commit() {
    local -x GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=$top
    [ -n "$(git -C "$top" status --porcelain)" ] || git -C "$top" rev-parse HEAD
}

# packaging/release.sh asks on which commit all has passed.
run_everything() {
    local part commit
    need everything git && rm -f "$builds/everything-passed" && commit=$(clean_commit)
    run_all --named
    for part in leaks fuzz tidy; do run_part "$part"; done
    run_suite trixie
    suite_part sid plain
    check 'every case has been tried' python3 "$top/tests/cases.py" --ran "$results" --everything
    if [ "$failed" -eq 0 ] && [ -n "$commit" ] && [ "$commit" = "$(clean_commit)" ]; then
        echo "$commit" >"$builds/everything-passed"
    fi
}

refuse() {
    echo "tests/run.sh: $1" >&2
    usage >&2
    exit 2
}

main() {
    local suite='' part arguments=()
    if [ "${1:-}" = --suite ]; then
        suite=${2:-}
        [[ $suite =~ ^[a-z]+$ ]] || refuse '--suite takes the name of a Debian release, such as trixie'
        shift 2
    fi
    [[ $fuzz_seconds =~ ^[1-9][0-9]*$ ]] || refuse "FUZZ_SECONDS is '$fuzz_seconds'; it is a whole number of seconds, 1 or more"
    if [ -z "$suite" ] && [ "${1:-}" = vm ] && [[ ${2:-} = -* ]]; then
        arguments=("${@:2}")
        set -- vm
    fi
    for part in "${@:-all}"; do
        case ${suite:+suite-}$part in
        -h | --help) usage && exit 0 ;;
        all | everything | lint | deb | unit | bus | cockpit | corpora | vm | leaks | fuzz | tidy | build | bench | pictures | plain) ;;
        suite-all | suite-unit | suite-bus | suite-leaks | suite-deb | suite-vm | suite-plain) ;;
        *) refuse "there is no part '$part'${suite:+ for another suite}" ;;
        esac
    done
    mkdir -p "$logs" "$results"
    for part in "${@:-all}"; do
        case ${suite:+suite-}$part in
        all) run_all && check 'every case has been tried' python3 "$top/tests/cases.py" --ran "$results" ;;
        everything) run_everything ;;
        suite-all) run_suite "$suite" ;;
        suite-*) suite_part "$suite" "$part" ;;
        *) run_part "$part" "${arguments[@]}" ;;
        esac
    done
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
