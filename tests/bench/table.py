# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was measured, as lines of a table: printed, and written to RESULTS.md."""

import dataclasses
import os
import pathlib
import platform
import re
import statistics

HEADS = ("what", "ours", "against", "ratio", "wanted", "")


@dataclasses.dataclass(frozen=True)
class Row:
    theme: str
    what: str
    ours: str
    against: str = ""
    ratio: str = ""
    wanted: str = ""
    verdict: str = ""       # "ok", "short", or nothing where nothing is wanted

    @property
    def cells(self):
        return self.what, self.ours, self.against, self.ratio, self.wanted, self.verdict


def percentile(values, part):
    """The smallest value that so large a part of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def against(theme, what, ours, other, most, unit="ms", name="", digits=1):
    """Ours may be at most so many times the other. Both are lists of single measurements."""
    one, two = statistics.median(ours), statistics.median(other)
    ratio = one / two
    return Row(theme, what, f"{one:.{digits}f} {unit}", f"{two:.{digits}f} {unit}{f' ({name})' if name else ''}",
               f"{ratio:.2f}", f"<= {most:.2f}", "ok" if ratio <= most else "short")


def faster(theme, what, ours, other, least, unit="ms", name="", digits=1):
    """The other must take at least so many times as long as ours."""
    one, two = statistics.median(ours), statistics.median(other)
    ratio = two / one
    return Row(theme, what, f"{one:.{digits}f} {unit}", f"{two:.{digits}f} {unit}{f' ({name})' if name else ''}",
               f"1/{ratio:.1f}", f">= {least:.0f} times faster", "ok" if ratio >= least else "short")


def at_most(theme, what, value, most, unit, digits=2):
    return Row(theme, what, f"{value:.{digits}f} {unit}".strip(), wanted=f"<= {most:g} {unit}".strip(),
               verdict="ok" if value <= most else "short")


def told(theme, what, text, other=""):
    return Row(theme, what, text, other)


def _widths(rows):
    return [max(len(row[i]) for row in rows) for i in range(len(HEADS))]


def as_text(rows):
    widths = _widths([HEADS, *(row.cells for row in rows)])
    lines = []
    theme = None
    for row in rows:
        if row.theme != theme:
            theme = row.theme
            lines += ["", theme]
        lines.append("  " + "  ".join(cell.ljust(width) for cell, width in zip(row.cells, widths)).rstrip())
    return "\n".join(lines)


def as_markdown(rows, machine, notes):
    lines = ["<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->", "# What was measured",
             "", "Written by `tests/run.sh bench`; a line that misses what is wanted says `short`.", "", machine]
    theme = None
    for row in rows:
        if row.theme != theme:
            theme = row.theme
            lines += ["", f"## {theme}", ""]
            if theme in notes:
                lines += [notes[theme], ""]
            lines += [f"| {' | '.join(HEADS)} |", "|---" * len(HEADS) + "|"]
        lines.append(f"| {' | '.join(row.cells)} |")
    return "\n".join(lines) + "\n"


def machine_text():
    """The host, in a sentence. Guests are described with their lines."""
    cpus = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.*)$", cpus, re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="ascii"), re.M)
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(encoding="utf-8"), re.M)
    return (f"The machine: {model.group(1) if model else platform.machine()}, {os.cpu_count()} CPUs, "
            f"{int(memory.group(1)) / 1048576:.0f} GiB; {system.group(1) if system else 'unknown system'}, "
            f"Linux {re.match(r'[0-9.]*[0-9]', platform.release())[0]}; load when it ended {os.getloadavg()[0]:.1f}.")
