#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes doc/conformance.md of what tests/vm/scenarios_conformance.py found: conformance.py FOLDER OUTPUT"""

import json
import pathlib
import sys

HEAD = """<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
# What tools that hand PCI devices over do

Written by `tests/run.sh conformance`, which asks the same of each tool in turn: in a guest of its own, by the commands that its
users type, with nothing configured for it. Another tool is a row in `tests/vm/binders.py`, another requirement a function in
`tests/vm/scenarios_conformance.py`. A tool that does not meet a requirement may say in its manual that this is its user's matter.

"""


def table(results):
    notes = []
    lines = ["| required | " + " | ".join(one["name"] for one in results) + " |", "|---" * (len(results) + 1) + "|"]
    for what in results[0]["found"]:
        cells = []
        for one in results:
            why = one["found"][what]
            if why:
                notes.append(f"{len(notes) + 1}. {one['name']}: {why.replace('|', '/')}")
            cells.append(f"**no** ({len(notes)})" if why else "yes")
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    met = [sum(not why for why in one["found"].values()) for one in results]
    lines.append("| met | " + " | ".join(f"{count} of {len(results[0]['found'])}" for count in met) + " |")
    return lines, notes


def main():
    folder, output = map(pathlib.Path, sys.argv[1:])
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    if not results:
        raise SystemExit(f"conformance.py: {folder} has no results")
    lines, notes = table(results)
    versions = ", ".join(one["version"] for one in results)
    tried = " ".join([f"Tried: {versions}; Linux {results[0]['kernel']}.", *(one["remark"] for one in results if one["remark"])])
    output.write_text("\n".join([HEAD + tried, "", *lines, "", *notes, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
