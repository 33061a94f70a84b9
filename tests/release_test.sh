#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# packaging/release.sh in a repository made for it: it names all that is missing, and tags only what has everything.
set -euo pipefail

release=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/packaging/release.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b.example GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b.example

git init --quiet --initial-branch=main "$folder"
cd "$folder"
mkdir -p packaging/{debian,rpm,arch} build/deb
cp "$release" packaging
# What it writes is sbom_test.py's matter.
# shellcheck disable=SC2016 # the script's
printf '#!/bin/sh\necho "an SBOM of $2"\n' >packaging/sbom.py
chmod +x packaging/sbom.py
echo build/ >.gitignore
echo 'project(vfio-bind VERSION 0.9.0 LANGUAGES C CXX)' >CMakeLists.txt
echo 'vfio-bind (0.9.0) unstable; urgency=medium' >packaging/debian/changelog
echo 'Version: 0.9.0' >packaging/rpm/vfio-bind.spec
echo 'pkgver=0.9.0' >packaging/arch/PKGBUILD
printf '\tpkgver = 0.9.0\n' >packaging/arch/.SRCINFO
printf '# Changes\n\n## Not released yet\n\n- Speed.\n\n## 0.9.0 (2020-01-01)\n\n- Birth.\n' >CHANGELOG.md
git add --all
git commit --quiet --message=before

# refused WORD...: it fails with exactly these complaints, a word of each, and makes no tag.
refused() {
    local said word
    if said=$(packaging/release.sh 1.0.0 2>&1); then
        echo "1.0.0 was tagged: $said" && exit 1
    fi
    [ "$(wc -l <<<"$said")" -eq $# ] || { echo "not $# complaints: $said" && exit 1; }
    for word in "$@"; do
        grep -qF "$word" <<<"$said" || { echo "no word of '$word': $said" && exit 1; }
    done
}

[ "$(packaging/release.sh 1.0 2>&1 || echo "status $?")" = $'usage: packaging/release.sh VERSION, such as 1.0.0\nstatus 2' ]
refused 'CMakeLists.txt has version 0.9.0, not 1.0.0' 'changelog has version 0.9.0' 'spec has version 0.9.0' 'PKGBUILD has version 0.9.0' \
    '.SRCINFO has version 0.9.0' 'has no section' 'has not passed on' 'build/deb/vfio-bind-1.0.0.spdx.json is not there'
sed -i s/0.9.0/1.0.0/ CMakeLists.txt packaging/debian/changelog packaging/rpm/* packaging/arch/{PKGBUILD,.SRCINFO}
sed -i "s/^## Not released yet/## 1.0.0 ($(date +%Y-%m-%d))/" CHANGELOG.md
echo 'an SBOM of other packages' >build/deb/vfio-bind-1.0.0.spdx.json
refused 'the tree differs' 'has not passed on' 'not of this source and these packages'
echo 'an SBOM of build/deb' >build/deb/vfio-bind-1.0.0.spdx.json
git rev-parse HEAD >build/everything-passed
git commit --quiet --all --message=release
refused ', but on '
git rev-parse HEAD >build/everything-passed
packaging/release.sh 1.0.0 >/dev/null
[ "$(git tag --list --format='%(objecttype) %(contents)' v1.0.0)" = 'tag - Speed.' ]
refused 'there is a tag v1.0.0 already'
