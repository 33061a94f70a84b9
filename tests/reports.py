#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds up reports as JUnit writes them: reports.py FOLDER...

Prints `N passed, N failed` for all reports below the folders, those of CTest, of GoogleTest and of tests/vm/run.py alike. A test
that was skipped, or is disabled, is neither. Where CTest's ctest.xml has a program whose cases are in a report beside it, these
are counted; and the program, if it failed though they did not.
"""

import pathlib
import sys
from xml.etree import ElementTree


def is_good(case):
    return case.find("failure") is None and case.find("error") is None


def is_told_by_cases(case, report):
    own = report.parent / f"{case.get('name')}.xml"
    if report.name != "ctest.xml" or not own.is_file():
        return False
    return is_good(case) or not all(map(is_good, ElementTree.parse(own).iter("testcase")))


def cases(folders):
    """(name, passed) of every test that has run; GoogleTest's are named `Suite.Test`, and those with parameters without them."""
    for report in (path for folder in folders for path in sorted(pathlib.Path(folder).rglob("*.xml"))):
        for case in ElementTree.parse(report).iter("testcase"):
            if case.get("result") == "skipped" or case.get("status") == "notrun" or case.find("skipped") is not None:
                continue
            if is_told_by_cases(case, report):
                continue
            name = case.get("name", "")
            if suite := case.get("classname"):
                name = f"{suite.rsplit('/', 1)[-1]}.{name.split('/', 1)[0]}"
            yield name, is_good(case)


def main():
    verdicts = [passed for _, passed in cases(sys.argv[1:])]
    print(f"{verdicts.count(True)} passed, {verdicts.count(False)} failed")


if __name__ == "__main__":
    main()
