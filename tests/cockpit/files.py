# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be said of the page's files without a browser."""

import json
import re

from host import TOP

FOLDER = TOP / "cockpit"
LIMIT = 60 * 1024
# The texts for the program; of n_ both.
TEXT = re.compile(r'\b(?:_|n_)\(\s*("(?:[^"\\]|\\.)*")(?:,\s*("(?:[^"\\]|\\.)*"),\s*\w)?')


def texts():
    found = set()
    for file in sorted(FOLDER.glob("*.js")):
        if not file.name.startswith("po."):
            for one, many in TEXT.findall(file.read_text()):
                found.add(json.loads(one))
    return found


def german():
    body = (FOLDER / "po.de.js").read_text()
    return set(json.loads(text) for text in re.findall(r'^\t("(?:[^"\\]|\\.)*"): \[', body, re.M))


def small(_build):
    size = sum(file.stat().st_size for file in FOLDER.iterdir() if file.name != "CMakeLists.txt" and not file.name.startswith("po."))
    return "" if size <= LIMIT else f"{size} bytes, not at most {LIMIT}"


def translated(_build):
    missing, idle = texts() - german(), german() - texts()
    return "".join(f"not in German: {text!r}\n" for text in sorted(missing)) + "".join(f"no text any more: {text!r}\n" for text in sorted(idle))


def safe(_build):
    bad = [f"{file.name}: {word}" for file in FOLDER.glob("*.js") for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(")
           if word in file.read_text()]
    return "; ".join(bad)


def check(build):
    for sentence, function in {"page, style and modules are 60 KiB at most": small, "every text is translated, and no other": translated,
                               "no data becomes markup": safe}.items():
        yield sentence, function(build)
