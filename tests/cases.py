#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks tests/CASES.md: every case from 1 to 70 has its row, and every test that a row names exists."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
CASES = 70


def has_test(path, name):
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return f'@scenario("{name}"' in text
    suite, _, test = name.partition(".")
    return re.search(rf"^TEST(_F|_P)?\({suite}, {test}\)", text, re.M) is not None


def main():
    wrong, seen = [], []
    for line in (TOP / "tests/CASES.md").read_text(encoding="utf-8").splitlines():
        row = re.match(r"\| (\d+) \| (.*?) \| (.*) \|$", line)
        if not row:
            continue
        number, tests = int(row[1]), re.findall(r"`([^`:]+): ([^`]+)`", row[3])
        seen.append(number)
        if not tests and not row[3].startswith("no test: "):
            wrong.append(f"case {number} names no test and does not say why")
        wrong += [f"case {number}: {path} has no test {name}" for path, name in tests if not has_test(TOP / path, name)]
    missing = sorted(set(range(1, CASES + 1)) - set(seen))
    if missing:
        wrong.append(f"no row for case {', '.join(map(str, missing))}")
    if len(seen) != len(set(seen)) or seen != sorted(seen):
        wrong.append("the rows are not in order, or one stands twice")
    print("\n".join(wrong) or f"{len(seen)} cases")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
