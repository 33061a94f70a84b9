#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds RPM packages from packaging/rpm/vfio-bind.spec: its lists must name what an installation has, no file less and none more,
and its scripts and dependencies must be what rpm takes.

    rpm_files.py                    of empty files: packaging/installed-files.txt says which are installed
    rpm_files.py BUILD FOLDER       of what a build installs, every target built; the packages are left in the folder

Nothing is compiled: rpmbuild is told that this has been done.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from installed_files import BUILDERS, TOP, listed, run

SPEC = TOP / "packaging/rpm/vfio-bind.spec"
# What Fedora's rpm knows and Debian's does not; the words that compile do nothing.
MACROS = {
    "_unitdir": "/usr/lib/systemd/system",
    "_udevrulesdir": "/usr/lib/udev/rules.d",
    "_docdir": "/usr/share/doc",
    "_docdir_fmt": "%%{NAME}",
    **dict.fromkeys(["cmake", "cmake_build", "ctest", "systemd_post", "systemd_preun", "systemd_postun_with_restart"], ":"),
}


# Of the initramfs builders, the spec names dracut alone.
OTHERS = [place for builder, place in BUILDERS.items() if builder != "dracut"]


def install_empty(root):
    for line in listed():
        mode, _, path = line.rpartition(" ")
        file = root / path.lstrip("/")
        if any(path.startswith(place) for place in OTHERS):
            continue
        if path.endswith("/"):
            file.mkdir(parents=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(int(mode, 8))


def install_built(build, root):
    """Debian 12 has its units elsewhere than Fedora."""
    run("cmake", "--install", build, root=root)
    for place in OTHERS:
        shutil.rmtree(f"{root}{place}", ignore_errors=True)
    if (units := root / "lib/systemd/system").is_dir():
        (root / "usr/lib/systemd").mkdir(parents=True, exist_ok=True)
        units.rename(root / "usr/lib/systemd/system")


def make_source(folder, version):
    """As much of it as the spec's %files take from there."""
    name = f"vfio-bind-{version}"
    folder.mkdir()
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
        for file in TOP.glob("[A-Z]*"):
            if file.is_file():
                archive.add(file, f"{name}/{file.name}")


def main():
    if len(sys.argv) not in (1, 3):
        sys.exit("usage: rpm_files.py [BUILD FOLDER]")
    if shutil.which("rpmbuild") is None:
        sys.exit("rpmbuild is not there; on Debian: apt-get install rpm")
    os.umask(0o022)
    version = re.search(r"^Version: *(.*)$", SPEC.read_text(encoding="utf-8"), re.M)[1]
    with tempfile.TemporaryDirectory(prefix="vfio-bind-rpm-") as name:
        work = pathlib.Path(name)
        if len(sys.argv) == 3:
            install_built(sys.argv[1], work / "installed")
        else:
            install_empty(work / "installed")
        make_source(work / "SOURCES", version)
        macros = {**MACROS, "_topdir": name, "cmake_install": f"cp -a {name}/installed/. %{{buildroot}}"}
        defines = [word for macro in macros.items() for word in ("--define", " ".join(macro))]
        done = subprocess.run(["rpmbuild", "-bb", "--nodeps", *defines, SPEC], capture_output=True, text=True, timeout=300,
                              check=False)
        if done.returncode != 0:
            sys.exit(f"rpmbuild ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        packages = sorted((work / "RPMS").rglob("*.rpm"))
        if len(sys.argv) == 3:
            for package in packages:
                shutil.copy(package, sys.argv[2])
    if len(packages) != 3:
        sys.exit(f"rpmbuild made {packages}; these should be vfio-bind, vfio-bind-devel and cockpit-vfio-bind")
    print("\n".join(package.name for package in packages))


if __name__ == "__main__":
    main()
