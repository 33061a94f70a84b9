#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs a build into an empty folder and compares what is there with packaging/installed-files.txt.

    installed_files.py BUILD            a build with CMAKE_INSTALL_PREFIX=/usr, every target built
    installed_files.py BUILD --print    prints the list as it would be right

A line is `MODE PATH`; a folder that is empty ends with `/`. /lib and /usr/lib are one place (Debian 12 has its units in
the first). The parts for the initramfs builders are then installed once more, each alone.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
LIST = TOP / "packaging/installed-files.txt"
BUILDERS = {"initramfs-tools": "/usr/share/initramfs-tools/", "dracut": "/usr/lib/dracut/", "mkinitcpio": "/usr/lib/initcpio/"}


def run(*command, root=None):
    environment = {**os.environ, "DESTDIR": str(root)} if root else None
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(map(str, command))}` ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def files_below(root):
    lines = []
    for folder, folders, files in os.walk(root):
        inside = "/" + os.path.relpath(folder, root) if folder != str(root) else ""
        inside = "/usr" + inside if inside.startswith("/lib/") else inside
        if not folders and not files:
            lines.append(f"{inside}/")
        for name in files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            lines.append(f"{mode & 0o7777:o} {inside}/{name}")
    return sorted(lines, key=lambda line: line.split(" ")[-1])


def listed():
    return [line for line in LIST.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]


def compare(what, found, wanted):
    wrong = [f"{what}: installed and not listed: {line}" for line in found if line not in wanted]
    return wrong + [f"{what}: listed and not installed: {line}" for line in wanted if line not in found]


def one_builder(builder, work):
    """The parts of one builder, configured as a project of their own: no compiler, no build."""
    source, build, root = work / "source", work / f"build-{builder}", work / f"root-{builder}"
    source.mkdir(exist_ok=True)
    root.mkdir()
    (source / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.25)
project(parts NONE)
set(CMAKE_INSTALL_DATADIR share)
set(CMAKE_INSTALL_FULL_LIBEXECDIR /usr/libexec)
set(CMAKE_INSTALL_FULL_BINDIR /usr/bin)
add_subdirectory("{TOP}/packaging/initramfs" initramfs)
""", encoding="utf-8")
    run("cmake", "-S", source, "-B", build, "-DCMAKE_INSTALL_PREFIX=/usr", f"-DVFIO_BIND_INITRAMFS={builder}")
    run("cmake", "--install", build, root=root)
    return files_below(root)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--print"]):
        sys.exit(f"usage: {sys.argv[0]} BUILD [--print]")
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="vfio-bind-install-") as name:
        work = pathlib.Path(name)
        (work / "root").mkdir()
        run("cmake", "--install", sys.argv[1], root=work / "root")
        found = files_below(work / "root")
        if sys.argv[2:]:
            print("\n".join(found))
            return 0
        wrong = compare("everything", found, listed())
        for builder, place in BUILDERS.items():
            parts = [line for line in listed() if place in line]
            wrong += [] if parts else [f"{LIST.name} has nothing below {place}"]
            wrong += compare(builder, one_builder(builder, work), parts)
    print("\n".join(wrong) or f"{len(found)} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
