#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What can be seen of the sources without building them: formatting, scripts, XML, manual pages, the units' sandbox, tables.
# tests/run.sh lint installs what it needs and calls it. The last line is `N passed, N failed`.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
# shellcheck source=tests/tally.bash
. tests/tally.bash

# Files of the project that match the patterns: those that git knows, and new ones.
files() {
    git -c safe.directory="$PWD" ls-files --cached --others --exclude-standard -- "$@" |
        while IFS= read -r file; do [ ! -f "$file" ] || echo "$file"; done
}

shell_scripts() {
    local file
    files | while IFS= read -r file; do
        case $file in
        *.bash) echo "$file" ;;
        *) head -n 1 "$file" | tr -d '\0' | grep -qE '^#!.*[/ ](ba|da)?sh\b' && echo "$file" ;;
        esac
    done
    true
}

manual() {
    local page=$1 warnings
    warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 "$page" 2>&1 >/dev/null)
    [ -z "$warnings" ] || { echo "$warnings" && return 1; }
    mandoc -Tlint -Wwarning "$page"
}

# Every picture that a page shows is there; the README has some.
pictures() {
    local page picture shown=0 missing=0
    for page in $(files '*.md'); do
        while IFS= read -r picture; do
            [ "$page" != README.md ] || shown=$((shown + 1))
            [ -s "$(dirname "$page")/$picture" ] || { echo "$page shows $picture, which is not there" && missing=$((missing + 1)); }
        done < <(grep -oE '!\[[^]]*\]\([^)]+\)' "$page" | sed -e 's/.*(//' -e 's/)$//')
    done
    [ "$shown" -gt 0 ] || echo 'the README shows no picture'
    [ "$shown" -gt 0 ] && [ "$missing" -eq 0 ]
}

# makepkg refuses to be root's, and looks for pacman, which has nothing to do here.
pkgbuild() (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cp packaging/arch/* "$folder"
    cd "$folder" || exit
    as_nobody=()
    if [ "$(id -u)" -eq 0 ]; then
        chown -R nobody "$folder"
        as_nobody=(runuser -u nobody --)
    fi
    HOME=$folder PACMAN=true "${as_nobody[@]}" makepkg --printsrcinfo
)

# The AUR shows .SRCINFO, and builds the PKGBUILD.
srcinfo() { diff packaging/arch/.SRCINFO <(pkgbuild); }

# In a repository of its own, as COPR has it.
copr() (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir "$folder/clone"
    files | tar --create --file=- --files-from=- | tar -C "$folder/clone" --extract --file=-
    git init --quiet "$folder/clone" && git -C "$folder/clone" add --all &&
        git -C "$folder/clone" -c user.name=a -c user.email=a@b.example commit --quiet --message=all &&
        make -f "$folder/clone/.copr/Makefile" srpm outdir="$folder/made" spec="$folder/clone/packaging/rpm/vfio-bind.spec" &&
        rpm --query --package --list "$folder"/made/vfio-bind-*.src.rpm | grep -x 'vfio-bind-.*\.tar\.gz'
)

# The address is answered by a folder that has a release and two files that are none.
watch_file() (
    folder=$(mktemp -d)
    trap 'kill "$server"; rm -rf "$folder"' EXIT
    mkdir "$folder/releases"
    touch "$folder"/releases/vfio-bind-{99.1.tar.gz,98.2.tar.gz,99.2.tar.gz.asc,99.3.zip}
    coproc python3 -u -m http.server --bind 127.0.0.1 --directory "$folder" 0
    server=$COPROC_PID
    # Serving HTTP on 127.0.0.1 port N (...
    read -r _ _ _ _ _ port _ <&"${COPROC[0]}"
    sed "s,https://vfio-bind\.example/,http://127.0.0.1:$port/," packaging/debian/watch >"$folder/watch"
    found=$(uscan --no-conf --no-download --dehs --package vfio-bind --upstream-version 0.1.0 --watchfile "$folder/watch")
    echo "$found"
    grep -qF '<upstream-version>99.1</upstream-version>' <<<"$found"
)

# Each place that names the version.
versions() {
    local version place
    version=$(sed -n 's/^project(vfio-bind VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
    while IFS='|' read -r place pattern; do
        [ "$(sed -n "s/$pattern/\\1/p" "$place" | head -n 1)" = "$version" ] || { echo "$place does not name $version" && return 1; }
    done <<'END'
packaging/debian/changelog|^vfio-bind (\(.*\)) .*
packaging/rpm/vfio-bind.spec|^Version: *\(.*\)
packaging/arch/PKGBUILD|^pkgver=\(.*\)
END
}

mapfile -t list < <(shell_scripts)
check 'shellcheck' shellcheck "${list[@]}"
mapfile -t list < <(files '*.cpp' '*.h')
check 'clang-format' clang-format-19 --dry-run -Werror "${list[@]}"
check 'those whom it is for read what is exported and published' /usr/bin/python3 tests/consumers.py
check 'ansible-lint' ansible-lint --offline doc/examples/ansible/site.yml doc/examples/ansible/roles
check 'every case has its tests' python3 tests/cases.py
check 'includes go the way that CONTRIBUTING.md draws' python3 tests/layers.py
check 'the spec file reads as one' rpmspec --parse packaging/rpm/vfio-bind.spec
check 'rpmlint' rpmlint --strict --config packaging/rpm/rpmlint.toml packaging/rpm/vfio-bind.spec
check 'the spec file packs what is installed' python3 tests/rpm_files.py
check '.SRCINFO is what makepkg makes of the PKGBUILD' srcinfo
check 'COPR makes a source package' copr
check 'uscan finds a release by debian/watch' watch_file
check 'each distribution has the same version' versions
mapfile -t list < <(files '*.yml' '*.yaml' packaging/debian/upstream/metadata)
check 'yamllint' yamllint --strict --config-data '{extends: default, rules: {line-length: {max: 130}}}' "${list[@]}"
check 'the services of OBS are well-formed' xmllint --noout --nonet packaging/obs/_service
check 'the SBOM of the source is SPDX' python3 tests/sbom_test.py
check 'a release is tagged where nothing is missing' tests/release_test.sh
check 'the pictures of the pages are there' pictures
for file in $(files '*.svg'); do
    check "$file is well-formed" xmllint --noout --nonet "$file"
done
for file in $(files 'dbus/*.xml'); do
    check "$file is D-Bus introspection" xmllint --noout --nonet --dtdvalid /usr/share/xml/dbus-1/introspect.dtd "$file"
done
for file in $(files 'dbus/*.conf' 'dbus/*.policy'); do
    # busconfig.dtd lacks half of what dbus-daemon reads (send_destination, for one); polkit's is not packaged.
    check "$file is well-formed" xmllint --noout --nonet "$file"
done
for file in $(files 'packaging/man/*.[0-9]'); do
    check "$file reads without a warning" manual "$file"
done
for file in $(files 'units/*.service'); do
    check "$file scores at most 2.0" systemd-analyze security --offline=true --threshold=20 --no-pager "$file"
done
# The page in Cockpit.
npm=$PWD/build/npm
check 'npm has eslint, stylelint and axe-core' tests/cockpit/npm.sh "$npm"
check 'eslint' env "NODE_PATH=$npm/node_modules" "$npm/node_modules/.bin/eslint" --config tests/cockpit/eslint.config.mjs cockpit
check 'stylelint' "$npm/node_modules/.bin/stylelint" --config-basedir "$npm" --config tests/cockpit/stylelint.config.json 'cockpit/*.css'
for file in packaging/*.metainfo.xml; do
    check "$file is AppStream's" appstreamcli validate --no-net "$file"
done
echo
tally
