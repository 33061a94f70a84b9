#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes an SBOM in SPDX 2.3's JSON: of the source alone, or of Debian packages, their source and what they are linked with.

    packaging/sbom.py [--packages FOLDER] [--output FILE]

The source's files are those that git knows; each file's licence is what its SPDX line says. With --packages: the .deb files that
packaging/build-deb.sh has left in FOLDER, on the machine where it has built them, so that dpkg knows what they are linked with.
The same source and packages make the same SBOM, whenever that is. Without --output it goes to the standard output.
"""

import argparse
import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile
from urllib.parse import quote

TOP = pathlib.Path(__file__).resolve().parents[1]
HOME = "https://vfio-bind.example/"
LICENCE = "LGPL-2.1-or-later"
SPDX_LINE = re.compile(rb"SPDX-License-Identifier: ([A-Za-z0-9.+-]*[A-Za-z0-9+])")
NOBODY_SAYS = "NOASSERTION"
SOURCE = "SPDXRef-Source"


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"sbom.py: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def identifier(kind, name):
    """SPDX takes letters, digits, dots and hyphens."""
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", lambda found: f"-{ord(found[0]):x}-", name)


# --- the source ---

def source_files():
    """Each file that git knows and that is there, as SPDX has it."""
    listed = output_of("git", "-C", str(TOP), "-c", f"safe.directory={TOP}", "ls-files", "-z")
    for name in sorted(filter(None, listed.split("\0"))):
        path = TOP / name
        if not path.is_file() or path.is_symlink():
            continue
        content = path.read_bytes()
        said = SPDX_LINE.search(content[:2000])
        yield {
            "SPDXID": identifier("File", name),
            "fileName": f"./{name}",
            "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()},
                          {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}],
            "licenseConcluded": NOBODY_SAYS,
            "licenseInfoInFiles": [said[1].decode("ascii") if said else "NONE"],
            "copyrightText": NOBODY_SAYS,
        }


def verification_code(files):
    """Over the SHA1 of all files: SPDX 2.3, 7.9."""
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    return hashlib.sha1("".join(sums).encode("ascii")).hexdigest()


def source_package(version, files):
    return {
        "SPDXID": SOURCE, "name": "vfio-bind", "versionInfo": version, "primaryPackagePurpose": "SOURCE",
        "downloadLocation": f"git+{HOME}vfio-bind.git@v{version}", "homepage": HOME,
        "filesAnalyzed": True, "packageVerificationCode": {"packageVerificationCodeValue": verification_code(files)},
        "licenseInfoFromFiles": sorted({file["licenseInfoInFiles"][0] for file in files} - {"NONE"}),
        "licenseConcluded": NOBODY_SAYS, "licenseDeclared": LICENCE,
        "copyrightText": "2026 The vfio-bind authors", "supplier": "Organization: vfio-bind maintainers",
    }


def changelog_time():
    """When the version was entered: the time of a package's files, too."""
    last = re.search(r"^ -- .*>  (.*)$", (TOP / "packaging/debian/changelog").read_text(encoding="utf-8"), re.M)[1]
    return datetime.datetime.strptime(last, "%a, %d %b %Y %H:%M:%S %z").astimezone(datetime.timezone.utc)


# --- packages of Debian ---

def deb_package(kind, name, version, architecture, **more):
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='')}?arch={architecture}"
    return {"SPDXID": identifier(kind, name), "name": name, "versionInfo": version, "downloadLocation": NOBODY_SAYS,
            "filesAnalyzed": False, "licenseConcluded": NOBODY_SAYS, "licenseDeclared": NOBODY_SAYS, "copyrightText": NOBODY_SAYS,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}], **more}


def installed(name):
    """Name, version, architecture, and the source that it is from; None for a virtual package."""
    form = "${db:Status-Status} ${binary:Package} ${Version} ${Architecture} ${source:Package}\\n"
    status, *about = output_of("dpkg-query", "--show", f"--showformat={form}", name).splitlines()[0].split()
    return (about[0].partition(":")[0], *about[1:]) if status == "installed" else None


def needed(deb):
    """The libraries' names that the programs in a package are linked with (NEEDED, ld.so(8))."""
    with tempfile.TemporaryDirectory() as folder:
        output_of("dpkg-deb", "--extract", str(deb), folder)
        found = set()
        for path in pathlib.Path(folder).rglob("*"):
            if path.is_file() and not path.is_symlink() and path.open("rb").read(4) == b"\x7fELF":
                found.update(re.findall(r"^ *NEEDED +(\S+)$", output_of("objdump", "--private-headers", str(path)), re.M))
        return found


def owner(library):
    """The installed package that has the library, for the programs' own architecture."""
    for line in output_of("dpkg-query", "--search", f"*/{library}").splitlines():
        names, _, path = line.rpartition(": ")
        if pathlib.Path(path).name == library and not re.search(r"/lib(32|x32)/", path):
            return names.split(",")[0]
    sys.exit(f"sbom.py: no installed package has {library}, which a program is linked with")


def depends(deb):
    """The packages' names, the first of alternatives."""
    return [part.split("|")[0].split("(")[0].strip() for part in output_of("dpkg-deb", "--field", str(deb), "Depends").split(",")]


def header_packages():
    """What debian/control names as needed for the build of the programs: their headers are compiled in."""
    field = re.search(r"^Build-Depends:(.*?)^\S", (TOP / "packaging/debian/control").read_text(encoding="utf-8"), re.M | re.S)[1]
    for part in field.split(","):
        name = part.split("|")[0].split("(")[0].strip()
        if name.endswith("-dev") and "<!nocheck>" not in part and name != "systemd-dev":
            yield name


class Packages:
    """The packages in a folder, what is in them of others, and how these belong together."""

    def __init__(self, folder):
        self.found, self.relations = {}, []
        debs = sorted(folder.glob("*.deb"))
        if not debs:
            sys.exit(f"sbom.py: there is no package in {folder}; packaging/build-deb.sh makes some")
        for deb in debs:
            self.add_own(deb)

    def add_own(self, deb):
        name, version, architecture = (output_of("dpkg-deb", "--field", str(deb), field).strip()
                                       for field in ("Package", "Version", "Architecture"))
        own = deb_package("Package", name, version, architecture, packageFileName=deb.name, licenseDeclared=LICENCE,
                          checksums=[{"algorithm": "SHA256", "checksumValue": hashlib.sha256(deb.read_bytes()).hexdigest()}])
        self.found[own["SPDXID"]] = own
        self.relate(own["SPDXID"], "GENERATED_FROM", SOURCE)
        linked = sorted({owner(library) for library in needed(deb)})
        if not linked:
            return
        sources = {self.add_other(own, package, "DYNAMIC_LINK") for package in linked}
        names = {installed(package)[0] for package in linked}
        for package in depends(deb):
            if package.startswith("lib") and package not in names and installed(package):
                sources.add(self.add_other(own, package, "DYNAMIC_LINK", "loaded when it is needed (dlopen)"))
        for package in header_packages():
            if installed(package)[3] not in sources:
                self.add_other(own, package, "STATIC_LINK", "only headers, which are compiled in")

    def add_other(self, own, package, relation, comment=""):
        """Gives the source that it is from."""
        name, version, architecture, source = installed(package)
        other = deb_package("Library", name, version, architecture, primaryPackagePurpose="LIBRARY")
        self.found[other["SPDXID"]] = other
        self.relate(own["SPDXID"], relation, other["SPDXID"], comment)
        return source

    def relate(self, one, relation, other, comment=""):
        self.relations.append({"spdxElementId": one, "relationshipType": relation, "relatedSpdxElement": other,
                               **({"comment": comment} if comment else {})})


def sbom(folder):
    version = re.search(r"^project\(vfio-bind VERSION (\S+)", (TOP / "CMakeLists.txt").read_text(encoding="utf-8"), re.M)[1]
    files = list(source_files())
    packages = Packages(folder) if folder else None
    own = [package for package in (packages.found if packages else ()) if package.startswith("SPDXRef-Package-")] or [SOURCE]
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"vfio-bind-{version}",
        "creationInfo": {"created": changelog_time().strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Organization: vfio-bind maintainers", f"Tool: packaging/sbom.py-{version}"]},
        "documentDescribes": own,
        "packages": [source_package(version, files), *(packages.found.values() if packages else ())],
        "files": files,
        "relationships": [*(packages.relations if packages else ()),
                          *({"spdxElementId": SOURCE, "relationshipType": "CONTAINS", "relatedSpdxElement": file["SPDXID"]}
                            for file in files)],
    }
    # What differs has another name.
    content = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {**document, "documentNamespace": f"{HOME}sbom/vfio-bind-{version}-{content[:32]}"}


def main():
    parser = argparse.ArgumentParser(description="an SBOM of vfio-bind as SPDX 2.3 has it")
    parser.add_argument("--packages", type=pathlib.Path, help="a folder with the packages that were built of this source")
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    text = json.dumps(sbom(options.packages), indent=1) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
