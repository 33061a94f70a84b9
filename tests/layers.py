#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that every #include of the sources goes the way that CONTRIBUTING.md draws.

What is allowed is data: the fenced block `layers` of CONTRIBUTING.md has a line for each folder, `FOLDER: what it may
include`, folders with all that is below them, or single headers. A folder without a line belongs to the next one above that
has one, and what belongs together may include each other. A test may include what anything of its topmost folder may, and
tests/unit. Exit 0 only if no #include goes another way.
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = "CONTRIBUTING.md"
ROOTS = ("lib", "dbus", "daemon", "ctl")
FOR_TESTS = "tests/unit"
# A header is looked for beside the source, then from these, as the compiler does.
SEARCHED = ("", "lib", "daemon", "ctl", FOR_TESTS)
GENERATED = re.compile(r"\w+-(proxy|adaptor)\.h")       # by sdbus-c++-xml2cpp, of dbus/*.xml


def read_table(page):
    """{folder: what it may include}, and what is wrong with the table itself."""
    block = re.search(r"^```layers\n(.*?)^```$", page, re.M | re.S)
    if not block:
        return {}, [f"{PAGE} has no block ```layers"]
    table, wrong = {}, []
    for line in block[1].splitlines():
        folder, colon, allowed = line.partition(":")
        if not colon:
            wrong.append(f"{PAGE}: '{line}' is no line of the form `FOLDER: what it may include`")
            continue
        table[folder] = allowed.split()
        wrong += [f"{PAGE}: there is no {name}" for name in (folder, *table[folder]) if not header(name)]
    return table, wrong


def header(name):
    """Whether the name is a folder's, or a header's, be it one that CMake configures."""
    return any((TOP / f"{name}{suffix}").exists() for suffix in ("", ".in"))


def owner(path, table):
    """The folder whose line is about this file, or None."""
    return next((str(above) for above in pathlib.PurePath(path).parents if str(above) in table), None)


def resolve(source, name):
    """The path of an included header, from the top; None if it is not found."""
    if GENERATED.fullmatch(name):
        return f"dbus/{name}"
    places = [str(source.parent), *SEARCHED]
    return next((path for path in (str(pathlib.PurePath(place, name)) for place in places) if header(path)), None)


def is_within(path, folder):
    return path == folder or path.startswith(f"{folder}/")


def allowed_to(source, table):
    """Every folder and header that the source may include, or None where no line is about it."""
    mine = owner(source, table)
    if mine is None:
        return None
    root = source.parts[0]
    if not re.search(r"(^test_|_test\b)", source.stem):
        return table[mine]
    return [FOR_TESTS, root] + [name for folder in table if is_within(folder, root) for name in table[folder]]


def check(source, table):
    allowed = allowed_to(source, table)
    if allowed is None:
        return [f"{source}: no line of {PAGE} is about its folder"]
    wrong = []
    for number, line in enumerate((TOP / source).read_text(encoding="utf-8").splitlines(), 1):
        included = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not included:
            continue
        path = resolve(source, included[1])
        if path is None:
            wrong.append(f"{source}:{number}: {included[1]} is not found")
        elif owner(path, table) != owner(source, table) and not any(is_within(path, name) for name in allowed):
            wrong.append(f"{source}:{number}: {owner(source, table)} may not include {path}")
    return wrong


def main():
    table, wrong = read_table((TOP / PAGE).read_text(encoding="utf-8"))
    sources = [path.relative_to(TOP) for root in ROOTS for path in sorted((TOP / root).rglob("*"))
               if path.suffix in (".cpp", ".h")]
    if not wrong:
        wrong = [sentence for source in sources for sentence in check(source, table)]
    print("\n".join(wrong) or f"{len(sources)} sources")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
