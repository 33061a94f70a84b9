#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The README's picture of a session: picture.py --deb PATH [--write FILE]

Types the commands into a terminal of a guest, and draws what it shows as SVG: doc/session.svg, unless FILE is another.
"""

import argparse
import pathlib
import shlex
import signal
import sys

from rich.console import Console
from rich.text import Text

from boots import BOOTS, GPU, ROOT_DISK
from channel import CommandFailed
from guest import Failed, expect
from image import RigError
from run import build_probe
from saved import ready_guest

TOP = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = 100

CARD, DISK = (address.removeprefix("0000:") for address in (GPU, ROOT_DISK))
# What is typed, and how it ends.
SESSION = (
    (f"vfio-bindctl bind {CARD}", 0),
    ("vfio-bindctl", 0),
    (f"vfio-bindctl export {CARD} --for qemu", 0),
    (f"vfio-bindctl bind {DISK}", 3),
)


def typed(guest, command, code):
    """What a terminal of COLUMNS shows of it, with its colours."""
    in_terminal = f"stty cols {COLUMNS} rows 60; TERM=xterm-256color exec {command}"
    result = guest.run(f"script --quiet --return --command {shlex.quote(in_terminal)} /dev/null", 60, check=False)
    expect(result.code == code, f"`{command}` ended with {result.code}, not {code}: {result.stdout}")
    return result.stdout.replace("\r\n", "\n")


# rich's own fetches a font from the network.
FRAME = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- SPDX-License-Identifier: LGPL-2.1-or-later; made by tests/vm/picture.py -->
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, DejaVu Sans Mono, monospace }}
.{unique_id}-title {{ font: bold 18px sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(lines):
    with open("/dev/null", "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for line in lines:
            console.print(line, highlight=False, soft_wrap=False)
    return console.export_svg(title="root@host", code_format=FRAME, unique_id="session")


def session(guest):
    for number, (command, code) in enumerate(SESSION):
        yield Text.assemble("" if number == 0 else "\n", ("# ", "bold green"), (command, "bold"))
        yield Text.from_ansi(typed(guest, command, code).rstrip("\n"))


def main():
    parser = argparse.ArgumentParser(description="the README's picture of a session")
    parser.add_argument("--deb", type=pathlib.Path, required=True)
    parser.add_argument("--write", type=pathlib.Path, default=TOP / "doc/session.svg")
    options = parser.parse_args()
    # Ended from outside, the guest and its files still go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    guest = None
    try:
        guest = ready_guest(BOOTS["intel"], options.deb.read_bytes(), build_probe().read_bytes(), sys.stderr)
        options.write.write_text(draw(list(session(guest))), encoding="utf-8")
    except (RigError, CommandFailed, Failed, OSError) as error:
        print(f"picture: {error}", file=sys.stderr)
        return 1
    finally:
        if guest:
            guest.machine.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
