#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The SBOM that packaging/sbom.py writes is what SPDX 2.3 has, says what is true of the source, and is the same twice.

sbom_test.py [FOLDER]: with a folder, also of the packages in it; the SBOM is left there, beside them. Debian's python3-jsonschema.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

import jsonschema

TOP = pathlib.Path(__file__).resolve().parents[1]
# Some of what the programs are linked with, by what it is of them; each name's beginning, for the rest is the version.
LINKED = {"DYNAMIC_LINK": ("libsdbus-c++", "libsystemd0", "libfmt", "libstdc++6", "libkmod2"),
          "STATIC_LINK": ("nlohmann-json3-dev", "libcli11-dev")}


def expect(condition, sentence):
    if not condition:
        sys.exit(sentence)


def made(*options):
    return subprocess.run([TOP / "packaging/sbom.py", *options], stdout=subprocess.PIPE, text=True, timeout=120, check=True).stdout


def check_source(document):
    files = {file["fileName"]: file for file in document["files"]}
    expect(len(files) == len(document["files"]), "a file is there twice")
    for name, licence in (("./CONTRIBUTING.md", "LGPL-2.1-or-later"), ("./tests/sbom_test.py", "LGPL-2.1-or-later"), ("./LICENSE", "NONE")):
        expect(name in files, f"{name} is missing")
        found = files[name]["licenseInfoInFiles"]
        expect(found == [licence], f"the licence of {name} is {found}, not {licence}")
        content = (TOP / name).read_bytes()
        for checksum in files[name]["checksums"]:
            expect(hashlib.new(checksum["algorithm"], content).hexdigest() == checksum["checksumValue"], f"{name}: {checksum}")
    bare = [name for name, file in files.items() if name.endswith((".cpp", ".h", ".py", ".sh", ".js", "CMakeLists.txt"))
            and file["licenseInfoInFiles"] == ["NONE"]]
    expect(not bare, f"these begin with no SPDX line: {bare}")
    strange = {licence for file in files.values() for licence in file["licenseInfoInFiles"]} - {"LGPL-2.1-or-later", "NONE"}
    expect(not strange, f"files have other licences than the project's: {strange}")


def check_references(document):
    identifiers = [item["SPDXID"] for item in (document, *document["packages"], *document["files"])]
    expect(len(identifiers) == len(set(identifiers)), "an identifier is there twice")
    named = {one for relation in document["relationships"] for one in (relation["spdxElementId"], relation["relatedSpdxElement"])}
    missing = (named | set(document["documentDescribes"])) - set(identifiers)
    expect(not missing, f"named and not there: {sorted(missing)}")


def check_packages(document, folder):
    packages = {package["SPDXID"]: package for package in document["packages"]}
    own = {package["packageFileName"]: package for package in packages.values() if "packageFileName" in package}
    expect(set(own) == {deb.name for deb in folder.glob("*.deb")}, f"the packages are {sorted(own)}")
    for name, package in own.items():
        expect(package["checksums"][0]["checksumValue"] == hashlib.sha256((folder / name).read_bytes()).hexdigest(), f"{name} is another")
    for kind, names in LINKED.items():
        linked = [packages[relation["relatedSpdxElement"]]["name"] for relation in document["relationships"]
                  if relation["relationshipType"] == kind and packages[relation["spdxElementId"]]["name"] == "vfio-bind"]
        for name in names:
            expect(any(one.startswith(name) for one in linked), f"{kind} with {name} is missing; there are {linked}")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    options = ["--packages", folder] if folder else []
    text = made(*options)
    expect(text == made(*options), "made twice, it differs")
    document = json.loads(text)
    jsonschema.validate(document, json.loads((TOP / "tests/spdx.schema.json").read_text(encoding="utf-8")))
    check_references(document)
    check_source(document)
    if folder:
        check_packages(document, folder)
        (folder / f"{document['name']}.spdx.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
