#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   packaging/release.sh VERSION
#
# Makes the annotated tag vVERSION of the commit that is checked out, with VERSION's section of CHANGELOG.md as its text.
# Refuses, with all that is missing, where the commit is not what a release is to be. Pushes nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-}
if [ $# -ne 1 ] || [[ ! $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
    echo "usage: packaging/release.sh VERSION, such as 1.0.0" >&2
    exit 2
fi
commit=$(git rev-parse HEAD)
today=$(date +%Y-%m-%d)
missing=()

# section: what CHANGELOG.md says of the version, without its heading.
section() { awk -v heading="## $version ($today)" '$0 == heading { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md; }

[ -z "$(git status --porcelain)" ] || missing+=("the tree differs from the commit: see git status")
! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || missing+=("there is a tag v$version already")
# has_version FILE PATTERN: the first line that fits names it.
has_version() {
    local found
    found=$(sed -n "s/$2/\\1/p" "$1" | head -n 1)
    [ "$found" = "$version" ] || missing+=("$1 has version $found, not $version")
}
has_version CMakeLists.txt '^project(vfio-bind VERSION \([0-9.]*\).*'
has_version packaging/debian/changelog '^vfio-bind (\([^)]*\)).*'
has_version packaging/rpm/vfio-bind.spec '^Version: *\(.*\)'
has_version packaging/arch/PKGBUILD '^pkgver=\(.*\)'
has_version packaging/arch/.SRCINFO '^[[:space:]]*pkgver = \(.*\)'
[ -n "$(section)" ] || missing+=("CHANGELOG.md has no section '## $version ($today)' with a text")
passed=$(cat build/everything-passed 2>/dev/null || true)
[ "$passed" = "$commit" ] ||
    missing+=("tests/run.sh everything has not passed on ${commit:0:12}${passed:+, but on ${passed:0:12}}")
sbom=build/deb/vfio-bind-$version.spdx.json
packaging/sbom.py --packages build/deb 2>/dev/null | cmp --quiet - "$sbom" ||
    missing+=("$sbom is not there, or not of this source and these packages: tests/run.sh deb makes it")

if [ "${#missing[@]}" -gt 0 ]; then
    printf 'packaging/release.sh: %s\n' "${missing[@]}" >&2
    exit 1
fi
section | sed '/./,$!d' | git tag --annotate --cleanup=whitespace --file=- "v$version" "$commit"
echo "v$version is ${commit:0:12}; git push origin v$version publishes it, and beside it go build/deb/*.deb and $sbom"
