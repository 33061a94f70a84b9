#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adds up reports as JUnit writes them: reports.py FOLDER...

Prints `N passed, N failed` for all reports below the folders, those of GoogleTest and of tests/vm/run.py alike. A test that was
skipped, or is disabled, is neither.
"""

import pathlib
import sys
from xml.etree import ElementTree


def cases(folders):
    """(name, passed) of every test that has run; GoogleTest's are named `Suite.Test`, and those with parameters without them."""
    for report in (path for folder in folders for path in sorted(pathlib.Path(folder).rglob("*.xml"))):
        for case in ElementTree.parse(report).iter("testcase"):
            if case.get("result") == "skipped" or case.get("status") == "notrun" or case.find("skipped") is not None:
                continue
            name = case.get("name", "")
            if suite := case.get("classname"):
                name = f"{suite.rsplit('/', 1)[-1]}.{name.split('/', 1)[0]}"
            yield name, case.find("failure") is None and case.find("error") is None


def main():
    verdicts = [passed for _, passed in cases(sys.argv[1:])]
    print(f"{verdicts.count(True)} passed, {verdicts.count(False)} failed")


if __name__ == "__main__":
    main()
