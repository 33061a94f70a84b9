#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks tests/CASES.md: cases.py [--ran FOLDER] [--everything]

Every case from 1 to 70 has its row, every test that a row names exists, and those that only `tests/run.sh everything` runs, the
scenarios that are `named`, are marked so: `file: test` (everything). With --ran, a case counts only if each of its tests, but
the marked ones, has run and passed according to the reports in the folder; with --everything, the marked ones, too.
"""

import argparse
import pathlib
import re
import sys

import reports

TOP = pathlib.Path(__file__).resolve().parent.parent
CASES = 70
MARK = "(everything)"


def find_test(path, name):
    """'' if there is no such test, else the text that declares it."""
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        found = re.search(rf'^@scenario\("{re.escape(name)}"[^)]*\)', text, re.M)
    else:
        suite, _, test = name.partition(".")
        found = re.search(rf"^TEST(_F|_P)?\({suite}, {test}\)", text, re.M)
    return found.group() if found else ""


def read_rows():
    """(number, its tests as (path, name, marked), the row's last column)"""
    for line in (TOP / "tests/CASES.md").read_text(encoding="utf-8").splitlines():
        if row := re.match(r"\| (\d+) \| (.*?) \| (.*) \|$", line):
            tests = re.findall(rf"`([^`:]+): ([^`]+)`( {re.escape(MARK)})?", row[3])
            yield int(row[1]), tests, row[3]


def check_tests(number, tests):
    for path, name, mark in tests:
        declared = find_test(TOP / path, name)
        if not declared:
            yield f"case {number}: {path} has no test {name}"
        elif ("named=True" in declared) != bool(mark):
            yield f"case {number}: {name} is {'not ' if mark else ''}run by everything alone: {'no ' if mark else ''}{MARK} after it"


def check_table(rows):
    seen = [number for number, _, _ in rows]
    if missing := sorted(set(range(1, CASES + 1)) - set(seen)):
        yield f"no row for case {', '.join(map(str, missing))}"
    if len(seen) != len(set(seen)) or seen != sorted(seen):
        yield "the rows are not in order, or one stands twice"
    for number, tests, text in rows:
        if not tests and not text.startswith("no test: "):
            yield f"case {number} names no test and does not say why"
        yield from check_tests(number, tests)


def check_run(rows, folder, everything):
    passed, failed = set(), set()
    for name, good in reports.cases([folder]):
        (passed if good else failed).add(name)
    for number, tests, _ in rows:
        for path, name, mark in tests:
            if name in failed:
                yield f"case {number}: {path}: {name} has failed"
            elif name not in passed and (everything or not mark):
                yield f"case {number}: {path}: {name} has not run"


def main():
    parser = argparse.ArgumentParser(description="the cases and their tests")
    parser.add_argument("--ran", type=pathlib.Path, help="a folder with the reports of a run")
    parser.add_argument("--everything", action="store_true", help="it was one of everything")
    options = parser.parse_args()
    rows = list(read_rows())
    wrong = list(check_table(rows))
    if options.ran:
        wrong += check_run(rows, options.ran, options.everything)
    print("\n".join(wrong) or f"{len(rows)} cases")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
