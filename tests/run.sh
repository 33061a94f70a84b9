#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs what a part needs (as root, on Debian), builds, runs, and ends with one line `N passed, N failed`.
#
#   tests/run.sh [--suite NAME] [PART...]
#
#   lint             formatting, shellcheck, XML, man pages, the sandbox's score
#   unit             the library and vfio-bindctl on the fake kernel: by GCC, and by clang with address and undefined
#                    sanitizers; which lines of lib they run
#   bus              the daemon on a private bus; both builds as above
#   leaks            a thousand rounds of bind and release under valgrind
#   deb              builds the Debian packages, lintian
#   vm               the package on a real kernel in a virtual machine (builds it first)
#   fuzz             each libFuzzer target for a minute, or as long as FUZZ_SECONDS says
#   build            builds what unit, bus, leaks and fuzz need, and runs nothing
#   tidy             clang-tidy over the C++ sources
#   all              lint, deb, vm, leaks, fuzz, tidy, unit and bus, and brief for Debian 13 (default)
#   bench            measurements, with a table
#
# With --suite the parts unit, bus, leaks, deb and vm, all or one of them, are run in a root of another Debian release
# (trixie), which is made once, and in a guest of it; builds and logs are in build-NAME. And so are:
#
#   brief            unit and bus by GCC alone and the packages, from one build without optimisation; one boot
#   brief-build      what brief builds
#   brief-tests      what brief runs in the root, of what brief-build has built
#
# A part that cannot run counts as failed and says why. Logs are kept in build/logs and shown on failure.
# Environment: JOBS (default: the number of processors), FUZZ_SECONDS, VFIO_BIND_PACKAGE (a package that an earlier run has
# built in this tree: it is taken as it is, and the tests are linked with what is left of its build).
set -uo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# In another suite's root this is another folder.
builds=${VFIO_BIND_BUILDS:-build}
logs=$top/$builds/logs
jobs=${JOBS:-$(nproc)}
fuzz_seconds=${FUZZ_SECONDS:-60}
passed=0
failed=0
package=${VFIO_BIND_PACKAGE:-}
# Its caches would change folders of the source while a package build copies them.
export PYTHONDONTWRITEBYTECODE=1

usage() {
    sed -n '/^#   tests/,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '/^set /d'
}

say() { printf '\n== %s\n' "$*"; }

# fail_with SENTENCE [LOG]: with the failures that GoogleTest wrote into the log, or, where it wrote none, the log's end.
fail_with() {
    failed=$((failed + 1))
    echo "FAIL $1"
    if [ -n "${2:-}" ] && grep -q ': Failure$' "$2" 2>/dev/null; then
        echo "  --- the failures in ${2#"$top"/}"
        grep -A 15 -E ': Failure$|^\[  FAILED  \]' "$2" | head -n 150 | sed 's/^/  | /'
    elif [ -n "${2:-}" ] && [ -s "$2" ]; then
        echo "  --- the end of ${2#"$top"/}"
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

# Files of the project that match the patterns: those that git knows, and new ones.
files() {
    git -c safe.directory="$top" -C "$top" ls-files --cached --others --exclude-standard -- "$@" |
        while IFS= read -r file; do [ ! -f "$top/$file" ] || echo "$file"; done
}

# --- What is needed -----------------------------------------------------------------------------------------

# The names in debian/control's Build-Depends; of alternatives the first that this release has, and the last, which is Debian
# 12's, where apt has no lists yet.
build_dependencies() {
    local alternatives name
    while read -ra alternatives; do
        for name in "${alternatives[@]}"; do
            if is_installed "$name" || is_known "$name"; then
                break
            fi
        done
        echo "$name"
    done < <(sed -n '/^Build-Depends:/,/^[^ B]/p' "$top/packaging/debian/control" |
        sed -e 's/^Build-Depends://' -e '/^[^ ]/d' -e 's/([^)]*)//g' -e 's/<[^>]*>//g' -e 's/[,|]/ /g' \
            -e '/debhelper-compat/d')
}

# Whether apt could install it.
is_known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
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

need_to_build() {
    local dependencies
    mapfile -t dependencies < <(build_dependencies)
    need "$1" g++ ccache libxml2-utils "${dependencies[@]}"
}

# --- Builds -------------------------------------------------------------------------------------------------

declare -A built

goals=(all)

# Several sources at a time take compiler and clang-tidy less time, the more the less. That each stands alone is shown by the
# build for the other release (`noopt` in packaging/debian/rules).
unity=(-DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=20)

# build FOLDER [CMAKE OPTION...]: configures and builds once a run; the log is FOLDER's name. $goals is what to build.
# The package is made small (VFIO_BIND_OPTIMIZE); here that would take more time than it saves.
build() {
    local folder=$1 log=$logs/$1.log
    shift
    if [ -z "${built[$folder]:-}" ]; then
        echo "building $folder"
        built[$folder]=broken
        if cmake -S "$top" -B "$top/$folder" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr \
            -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "$@" >"$log" 2>&1 &&
            timeout 3600 cmake --build "$top/$folder" --parallel "$jobs" --target "${goals[@]}" >>"$log" 2>&1; then
            built[$folder]=yes
        else
            fail_with "$folder does not build" "$log"
        fi
    else
        tell_if_broken "$folder"
    fi
    [ "${built[$folder]}" = yes ]
}

# What did not build is not built again in one run; each part that needs it fails and says why.
tell_if_broken() { [ "${built[$1]}" != broken ] || fail_with "$1, which is needed here, did not build"; }

# The package, of which all that was built is kept; which symbols there are changes nothing in its programs.
build_package() {
    local log=$logs/build-deb.log
    [ -z "$package" ] || return 0
    if [ -n "${built[package]:-}" ]; then
        tell_if_broken package
        return 1
    fi
    echo 'building the Debian packages'
    if ! VFIO_BIND_KEEP=yes DEB_CXXFLAGS_APPEND=${DEB_CXXFLAGS_APPEND:--g1} timeout 3600 "$top/packaging/build-deb.sh" \
        "$top/$builds/deb" >"$log" 2>&1 </dev/null; then
        built[package]=broken
        fail_with 'packaging/build-deb.sh' "$log"
        return 1
    fi
    package=$(tail -n 1 "$log")
}

# The tests, linked with the very objects that the package's programs are made of. The bench, too, which is not in `all`: it is
# run seldom, and is to compile when it is.
build_tests() {
    local folder=$builds-packaged log=$logs/$builds-packaged.log place
    build_package || return
    if [ -z "${built[$folder]:-}" ]; then
        echo "building $folder"
        built[$folder]=broken
        # CMake is given the folder by its own name: by the link's all would be compiled again. Debian's package leaves out a
        # builder of initramfs images; the test installed-files wants all.
        if ln -sfnT "$builds/deb/.work/vfio-bind/obj-$(dpkg-architecture --query DEB_HOST_GNU_TYPE)" "$top/$folder" >"$log" 2>&1 &&
            place=$(realpath -e "$top/$folder" 2>>"$log") &&
            cmake -DVFIO_BIND_TESTS=ON -DVFIO_BIND_UNITY_TESTS=ON -U VFIO_BIND_INITRAMFS "$place" >>"$log" 2>&1 &&
            timeout 3600 cmake --build "$place" --parallel "$jobs" --target all bench >>"$log" 2>&1; then
            built[$folder]=yes
        else
            fail_with "$folder does not build" "$log"
        fi
    else
        tell_if_broken "$folder"
    fi
    [ "${built[$folder]}" = yes ]
}

# All that is installed is built, too, so that no warning of clang's is let pass, but vfio-bind-early: that is the library once
# more, and clang-tidy, which passes clang's warnings on, looks at its own sources. The unit tests would run three times as
# long if what they test were not optimized.
build_sanitized() {
    local goals=(unit-tests ctl-tests bus-tests vfio-bindd vfio-bind-watch)
    build "$builds-clang" -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-g1 -DVFIO_BIND_OPTIMIZE=-O0 \
        -DVFIO_BIND_OPTIMIZE_LIB=-O1 "${unity[@]}" -DVFIO_BIND_COVERAGE=ON -DVFIO_BIND_SANITIZE=address,undefined
}

need_to_sanitize() { need_to_build "$1" && need "$1" clang-19 libclang-rt-19-dev; }

build_fuzzers() {
    local goals=(fuzz)
    build build-fuzz -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-g1 -DVFIO_BIND_OPTIMIZE=-O1 \
        "${unity[@]}" -DVFIO_BIND_FUZZ=ON
}

# In a folder of its own, for other parts may be building.
build_twin() {
    local goals=(kernel-twin)
    build "$builds-vm" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-g1 -DVFIO_BIND_OPTIMIZE=-O1
}

# --- Tests that CMake registers -----------------------------------------------------------------------------

# Adds up the reports that GoogleTest wrote to a folder. Skipped and disabled tests are neither passed nor failed.
count_reports() {
    local report tests bad idle
    good=0 wrong=0 unrun=0
    for report in "$1"/*.xml; do
        [ -e "$report" ] || continue
        tests=$(xmllint --xpath 'number(/testsuites/@tests)' "$report")
        bad=$(xmllint --xpath 'number(/testsuites/@failures) + number(/testsuites/@errors)' "$report")
        idle=$(xmllint --xpath 'count(//testcase[@result="skipped" or @status="notrun"])' "$report")
        good=$((good + tests - bad - idle))
        wrong=$((wrong + bad))
        unrun=$((unrun + idle))
    done
}

# run_test FOLDER NAME: one test of CTest; its cases are counted where it is GoogleTest's, else it counts as one. A program
# without arguments is GoogleTest's, and runs as often as there are processors, each time with its share of the cases.
run_test() {
    local folder=$1 name=$2 log=$logs/$1-$2.log reports=$logs/$1-$2.reports
    local good wrong unrun program shard shards=() status=0
    local -x ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
    rm -rf "$reports" "$log"
    mkdir -p "$reports"
    program=$(ctest --test-dir "$top/$folder" --tests-regex "^$name\$" --show-only --verbose |
        sed -n 's/^[0-9]*: Test command: \([^ "]*\)$/\1/p')
    if [ -n "$program" ]; then
        for ((shard = 0; shard < jobs; shard++)); do
            GTEST_TOTAL_SHARDS=$jobs GTEST_SHARD_INDEX=$shard GTEST_OUTPUT=xml:$reports/$shard.xml \
                timeout 900 "$program" >"$reports/$shard.log" 2>&1 </dev/null &
            shards+=($!)
        done
        for shard in "${!shards[@]}"; do
            wait "${shards[shard]}" || { status=$? && cat "$reports/$shard.log" >>"$log"; }
        done
    else
        ctest --test-dir "$top/$folder" --tests-regex "^$name\$" --verbose --timeout 900 >"$log" 2>&1 </dev/null
        status=$?
    fi
    count_reports "$reports"
    [ $((good + wrong + unrun)) -gt 0 ] || [ $status -ne 0 ] || good=1
    passed=$((passed + good))
    echo "$folder: $name: $good passed, $wrong failed, $unrun skipped"
    if [ "$wrong" -gt 0 ]; then
        failed=$((failed + wrong - 1))
        fail_with "$folder: $name: $wrong failed" "$log"
    elif [ $status -ne 0 ]; then
        fail_with "$folder: $name ended with an error though none of its cases failed (a crash, a leak, a time-out?)" "$log"
    fi
}

# run_registered PART FOLDER: bus tests are those whose name begins with `bus`, unit tests are the others.
run_registered() {
    local part=$1 folder=$2 name names selector=--exclude-regex
    [ "$part" != bus ] || selector=--tests-regex
    mapfile -t names < <(ctest --test-dir "$top/$folder" --show-only "$selector" '^bus' |
        sed -n 's/^ *Test *#[0-9]*: //p')
    if [ "${#names[@]}" -eq 0 ]; then
        fail_with "$part: $folder registers no $part test"
        return
    fi
    for name in "${names[@]}"; do
        run_test "$folder" "$name"
    done
}

# --- Parts --------------------------------------------------------------------------------------------------

shell_scripts() {
    local file
    files | while IFS= read -r file; do
        case $file in
        *.bash) echo "$file" ;;
        *) head -n 1 "$top/$file" | tr -d '\0' | grep -qE '^#!.*[/ ](ba|da)?sh\b' && echo "$file" ;;
        esac
    done
    true
}

lint_manual() {
    local page=$1 warnings
    warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ] || { echo "$warnings" && return 1; }
    mandoc -Tlint -Wwarning "$page"
}

# makepkg refuses to be root's, and looks for pacman, which has nothing to do here.
lint_pkgbuild() (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cp "$top/packaging/arch"/* "$folder"
    cd "$folder" || exit
    as_nobody=()
    if [ "$(id -u)" -eq 0 ]; then
        chown -R nobody "$folder"
        as_nobody=(runuser -u nobody --)
    fi
    HOME=$folder PACMAN=true "${as_nobody[@]}" makepkg --printsrcinfo
)

part_lint() {
    local list file
    need lint git python3 shellcheck clang-format-19 libxml2-utils libdbus-1-dev systemd man-db mandoc rpm rpmlint \
        makepkg || return
    cd "$top" || return
    mapfile -t list < <(shell_scripts)
    check 'shellcheck' shellcheck "${list[@]}"
    mapfile -t list < <(files '*.cpp' '*.h')
    check 'clang-format' clang-format-19 --dry-run -Werror "${list[@]}"
    check 'every case has its tests' python3 tests/cases.py
    check 'the spec file reads as one' rpmspec --parse packaging/rpm/vfio-bind.spec
    check 'rpmlint' rpmlint --strict --config packaging/rpm/rpmlint.toml packaging/rpm/vfio-bind.spec
    check 'the spec file packs what is installed' python3 tests/rpm_files.py
    check 'makepkg reads the PKGBUILD' lint_pkgbuild
    for file in $(files 'dbus/*.xml'); do
        check "$file is D-Bus introspection" \
            xmllint --noout --nonet --dtdvalid /usr/share/xml/dbus-1/introspect.dtd "$file"
    done
    for file in $(files 'dbus/*.conf' 'dbus/*.policy'); do
        # busconfig.dtd lacks half of what dbus-daemon reads (send_destination, for one); polkit's is not packaged.
        check "$file is well-formed" xmllint --noout --nonet "$file"
    done
    for file in $(files 'packaging/man/*.[0-9]'); do
        check "$file reads without a warning" lint_manual "$file"
    done
    for file in $(files 'units/*.service'); do
        check "$file scores at most 2.0" systemd-analyze security --offline=true --threshold=20 --no-pager "$file"
    done
}

part_unit() {
    need_to_sanitize unit && need unit gcovr llvm-19 || return
    build_tests && run_registered unit "$builds-packaged"
    build_sanitized || return
    find "$top/$builds-clang" -name '*.gcda' -delete
    run_registered unit "$builds-clang"
    show_coverage
}

# The lines of lib that these tests ran, a file a line.
show_coverage() {
    local table=$logs/coverage.txt
    rm -f "$table"
    check 'these tests run 90 % of the lines of lib' gcovr -j "$jobs" --gcov-executable 'llvm-cov-19 gcov' \
        --root "$top" --filter "$top/lib/" --exclude '.*_test\.cpp$' --fail-under-line 90 --txt "$table" "$top/$builds-clang"
    [ ! -e "$table" ] || cat "$table"
}

need_for_bus() { need bus dbus systemd python3-gi gir1.2-glib-2.0 zsh fish; }

part_bus() {
    need_to_sanitize bus && need_for_bus || return
    build_tests && run_registered bus "$builds-packaged"
    build_sanitized && run_registered bus "$builds-clang"
}

# The daemon on the fake kernel, a thousand times bind and release: no leak; the test itself counts descriptors and children.
part_leaks() {
    need_to_build leaks && need leaks dbus valgrind || return
    build_tests || return
    check 'valgrind, 1,000 rounds of bind and release' env VFIO_BIND_ROUNDS=1000 \
        VFIO_BIND_UNDER='valgrind --leak-check=full --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=9 --child-silent-after-fork=yes' \
        timeout 3600 "$top/$builds-packaged/tests/bus/bus-tests" --gtest_filter='RoundsTest.*'
}

part_deb() {
    need_to_build deb && need deb lintian || return
    build_package || return
    check 'lintian' lintian --fail-on error,warning --allow-root "${package%.deb}.changes"
}

# add_up PART LOG: a run whose last line is its own sum, which goes into this one's.
add_up() {
    if [[ $(tail -n 1 "$2") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
    else
        fail_with "$1 did not come to its end" "$2"
    fi
}

# The suite's own last line is left out: one sum ends the run.
without_sum() { grep --line-buffered -vE '^[0-9]+ passed, [0-9]+ failed$'; }

# run_guests SUITE [ARGUMENT...]: the scenarios with $package in guests of a Debian release.
run_guests() {
    local suite=$1 log=$logs/vm-$1.log
    shift
    build_twin || return
    VFIO_BIND_KERNEL_TWIN=$top/$builds-vm/tests/vm/kernel-twin VFIO_BIND_BESIDE="${beside[*]}" \
        timeout --kill-after=60 7200 python3 "$top/tests/vm/run.py" --suite "$suite" --deb "$package" "$@" 2>&1 </dev/null |
        tee "$log" | without_sum
    add_up "vm, $suite" "$log"
}

need_for_guests() { need vm python3 qemu-system-x86 qemu-utils mmdebstrap e2fsprogs; }

part_vm() {
    need_to_build vm && need_for_guests || return
    build_package && run_guests bookworm
}

suite_has_built=''
# part_of_suite SUITE PART: in a root of that release, whose packages are then tried in its guest.
part_of_suite() {
    local suite=$1 part=$2
    case $part in
    vm)
        need_to_build vm && need_for_guests || return
        [ -n "$suite_has_built" ] || in_root "$suite" deb
        guests_of_suite "$suite"
        ;;
    brief)
        need_to_build vm && need_for_guests && in_root "$suite" brief-build || return
        in_root "$suite" brief-tests
        brief_guests "$suite"
        ;;
    *) in_root "$suite" "$part" ;;
    esac
}

# guests_of_suite SUITE [ARGUMENT...]
guests_of_suite() {
    local suite=$1
    package=$(find "$top/build-$suite/deb" -maxdepth 1 -name 'vfio-bind_*.deb' 2>/dev/null)
    if [ -z "$package" ]; then
        fail_with "vm: there is no package for $suite"
        return
    fi
    run_guests "$@"
}

# One boot, in which the package does what it is for.
brief_guests() { guests_of_suite "$1" --only '^(boot-binds-whole-group|bind-and-release-by-busctl)$'; }

# in_root SUITE PART
in_root() {
    local suite=$1 part=$2 log=$logs/$1-$2.log
    need "$suite" python3 mmdebstrap || return
    if [[ $part = deb || $part = brief-build ]]; then
        suite_has_built=yes
        rm -f "$top/build-$suite/deb"/*.deb
    fi
    timeout --kill-after=60 5400 python3 "$top/tests/vm/suite.py" "$suite" env "VFIO_BIND_BUILDS=build-$suite" \
        VFIO_BIND_PACKAGE= "JOBS=$jobs" tests/run.sh "$part" 2>&1 </dev/null | tee "$log" | without_sum
    add_up "$suite: $part" "$log"
}

# Another release's compiler and libraries, in the least time.
part_brief-build() {
    local -x DEB_BUILD_OPTIONS="nocheck noopt parallel=$jobs" DEB_CXXFLAGS_APPEND=-g0
    need_to_build brief && need_for_bus || return
    build_tests || return
    passed=$((passed + 1))
    echo 'ok the package builds, and its tests'
}

part_brief-tests() {
    local folder=$builds-packaged
    if [ ! -d "$top/$folder" ]; then
        fail_with 'brief-tests: there is nothing that brief-build has built'
        return
    fi
    run_registered unit "$folder"
    run_registered bus "$folder"
}

# Over unity sources: the headers, which are most of the work, are then read once for several sources. That these include
# sources is no mistake. vfio-bind-early's would be the whole library once more: of that only its own sources are looked at
# (the unit tests have group_work.cpp, and so it is among the others).
part_tidy() {
    local folder=$top/$builds-clang options=("-checks=-bugprone-suspicious-include" "-config-file=$top/.clang-tidy") early
    need_to_sanitize tidy && need tidy clang-tidy-19 || return
    build_sanitized || return
    if [ ! -d "$folder/lib/CMakeFiles/vfiobind.dir/Unity" ]; then # run-clang-tidy is content with no source at all
        fail_with "tidy: $folder has no unity sources where they are looked for"
        return
    fi
    check 'clang-tidy' run-clang-tidy-19 -quiet -p "$folder" "${options[@]}" -j "$jobs" \
        "^$folder/(lib|daemon|ctl)/(?!.*/(vfio-bind-early|ctl-tests)\.dir/).*/Unity/" "^$top/(lib|daemon|ctl)/.*(?<!_test)\.cpp\$"
    mapfile -t early < <(files 'daemon/early/*.cpp' | grep -vE '(/group_work|_test)\.cpp$')
    check 'clang-tidy, vfio-bind-early' clang-tidy-19 -quiet -p "$folder" "${options[@]}" "${early[@]/#/$top/}"
}

# An input has a minute: its time is the wall's, and a scenario that measures time may stop the fuzzer for a while.
# fuzz TARGET: what the fuzzer finds new stays in build-fuzz/corpus; an input that breaks the target, in the logs.
fuzz() {
    local target=$1 found=$top/build-fuzz/corpus/$1
    mkdir -p "$found"
    timeout $((fuzz_seconds + 600)) nice "$top/build-fuzz/tests/fuzz/fuzz-$target" -max_total_time="$fuzz_seconds" -timeout=60 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$logs/fuzz-$target-" "$found" "$top/tests/fuzz/corpus/$target"
}

part_fuzz() {
    local target targets i runs
    need_to_sanitize fuzz && build_fuzzers || return
    mapfile -t targets < <(sed -n 's/^foreach(target \(.*\))$/\1/p' "$top/tests/fuzz/CMakeLists.txt" | tr ' ' '\n')
    if [ "${#targets[@]}" -eq 0 ]; then
        fail_with 'fuzz: tests/fuzz/CMakeLists.txt names no targets'
        return
    fi
    for ((i = 0; i < ${#targets[@]}; i += jobs)); do
        runs=()
        for target in "${targets[@]:i:jobs}"; do
            (fuzz "$target" >"$logs/fuzz-$target.log" 2>&1 </dev/null; echo $? >"$logs/fuzz-$target.status") &
            runs+=($!)
        done
        wait "${runs[@]}"
        for target in "${targets[@]:i:jobs}"; do
            check "fuzz-$target, $fuzz_seconds s" fuzz_result "$target" &&
                sed -n 's/^stat::number_of_executed_units: */  inputs: /p' "$logs/fuzz-$target.log"
        done
    done
}

# The end of a fuzzer that has run: passes if it ended well and did try inputs.
fuzz_result() {
    cat "$logs/fuzz-$1.log"
    [ "$(cat "$logs/fuzz-$1.status")" = 0 ] && grep -q '^stat::number_of_executed_units: *[1-9]' "$logs/fuzz-$1.log"
}

# In a folder of its own: what is measured is compiled as the package is.
build_bench() {
    cmake -S "$top" -B "$top/build-bench" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache &&
        timeout 2400 cmake --build "$top/build-bench" --parallel "$jobs" --target bench
}

# The table is the result: a line in it that says `short` is no failure, a measurement that cannot be made is one.
part_bench() {
    need_to_build bench && need bench python3 strace dbus qemu-system-x86 qemu-utils mmdebstrap e2fsprogs || return
    build_package || return
    check 'what the bench measures with builds' build_bench || return
    check 'bench' python3 "$top/tests/bench/run.py" --programs "$top/build-bench/tests/bench" --deb "$package" &&
        cat "$logs/bench.log"
}

part_build() {
    need_to_sanitize build || return
    local folder
    build_tests
    build_sanitized
    build_fuzzers
    for folder in "${!built[@]}"; do
        [ "${built[$folder]}" != yes ] || passed=$((passed + 1))
    done
}

# What lint, deb and the guests leave of the processors, and a guest waits much, goes to what needs neither a guest nor the time
# to be right: the build for the other release, and, with the guests only, the builds, valgrind (which has use for one processor
# only, and so is first), the fuzzers and clang-tidy. They are stopped while a scenario measures time.
other=trixie
declare -A beside=()
# begin_beside NAME ARGUMENT...: another run of this script. What it needs is installed before: apt serves one at a time.
begin_beside() {
    local name=$1
    shift
    need_to_sanitize leaks && need leaks dbus valgrind clang-tidy-19 && need_for_guests || return
    nice -n 19 "$top/tests/run.sh" "$@" >"$logs/beside-$name.log" 2>&1 </dev/null &
    beside[$name]=$!
    trap 'tell_beside TERM; tell_beside CONT' EXIT
}

# tell_beside SIGNAL: to all of it; timeout(1) has each of its own in a process group of its own.
tell_beside() {
    local all=("${beside[@]}") children i
    for ((i = 0; i < ${#all[@]}; i++)); do
        children=()
        mapfile -t -d ' ' children 2>/dev/null <"/proc/${all[i]}/task/${all[i]}/children"
        all+=("${children[@]}")
    done
    kill -s "$1" "${all[@]}" 2>/dev/null
}

# end_beside NAME: waits for it, and shows it.
end_beside() {
    local log=$logs/beside-$1.log
    [ -n "${beside[$1]:-}" ] || return 0
    say "beside the others: $1"
    tell_beside CONT # should the guests' program have been killed while it had stopped it
    wait "${beside[$1]}"
    unset "beside[$1]"
    without_sum <"$log"
    add_up "beside the others, $1" "$log"
}

run_part() {
    say "$1"
    "part_$1"
}

run_all() {
    local has_other=''
    begin_beside "$other" --suite "$other" brief-build && has_other=yes
    run_part lint
    run_part deb
    if [ -n "$package" ]; then
        VFIO_BIND_PACKAGE=$package begin_beside here leaks build fuzz tidy
    else
        fail_with 'leaks: there is no package whose build its tests could be linked with'
        begin_beside here fuzz tidy
    fi
    run_part vm
    end_beside "$other"
    if [ -n "$has_other" ]; then # else what an earlier run has built would be tried
        say "$other: vm"         # while the rest may still be running
        brief_guests "$other"
    fi
    end_beside here
    trap - EXIT
    run_part unit
    run_part bus
    if [ -n "$has_other" ]; then
        say "$other: brief-tests"
        in_root "$other" brief-tests
    fi
}

run_suite() {
    local suite=$1 part parts=("$2")
    [ "$2" != all ] || parts=(unit bus leaks deb vm)
    for part in "${parts[@]}"; do
        say "$suite: $part"
        part_of_suite "$suite" "$part"
    done
}

main() {
    local suite='' part parts
    if [ "${1:-}" = --suite ]; then
        suite=${2:-}
        if ! [[ $suite =~ ^[a-z]+$ ]]; then
            echo "tests/run.sh: --suite takes the name of a Debian release, such as trixie" >&2
            exit 2
        fi
        shift 2
    fi
    if ! [[ $fuzz_seconds =~ ^[1-9][0-9]*$ ]]; then
        echo "tests/run.sh: FUZZ_SECONDS is '$fuzz_seconds'; it is a whole number of seconds, 1 or more" >&2
        exit 2
    fi
    parts=("${@:-all}")
    for part in "${parts[@]}"; do
        case ${suite:+suite-}$part in
        -h | --help)
            usage
            exit 0
            ;;
        all | lint | unit | bus | leaks | deb | vm | tidy | fuzz | build | bench | brief-build | brief-tests) ;;
        suite-all | suite-unit | suite-bus | suite-leaks | suite-deb | suite-vm) ;;
        suite-brief | suite-brief-build | suite-brief-tests) ;;
        *)
            echo "tests/run.sh: there is no part '$part'${suite:+ for another suite}" >&2
            usage >&2
            exit 2
            ;;
        esac
    done
    if [ -n "$package" ] && ! [ -f "$package" ]; then
        echo "tests/run.sh: VFIO_BIND_PACKAGE is '$package', and there is no such file; it names a vfio-bind_*.deb" >&2
        exit 2
    fi
    mkdir -p "$logs"
    for part in "${parts[@]}"; do
        if [ -n "$suite" ]; then
            run_suite "$suite" "$part"
        elif [ "$part" = all ]; then
            run_all
        else
            run_part "$part"
        fi
    done
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
