# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scenarios of kernel_twin.cpp, played on this guest's kernel and on a fake kernel made from its description.

Where the two differ, the fake is wrong (docs: tests/vm/README.md). VFIO_BIND_KERNEL_TWIN names a kernel-twin that is
built already.
"""

import difflib
import os
import pathlib
import tempfile

from guest import UNIT, expect
from scenarios import scenario
from tools import build

PROGRAM, DESCRIPTION = "/usr/local/bin/kernel-twin", "/var/tmp/machine.json"
REAL, FAKE = "/var/tmp/transcript", "/var/tmp/transcript-of-the-fake"
UNCLEAN = ("left behind", "NOT RESTORED", "repair", "BROKEN")
SHOWN = 6       # of the differences in one scenario, the first so many are told


def chapters(transcript):
    """{scenario: its lines}"""
    found = {}
    for line in transcript.splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], [])
        else:
            lines.append(line)
    return found


def differences(name, real, fake):
    """One sentence for each run of lines that differ."""
    for tag, a, b, c, d in difflib.SequenceMatcher(None, real, fake, autojunk=False).get_opcodes():
        if tag != "equal":
            yield f"{name}:\n    real: {' / '.join(real[a:b]) or '(nothing)'}\n    fake: {' / '.join(fake[c:d]) or '(nothing)'}"


def compare(real, fake):
    """Every sentence about what is not the same, or not clean."""
    real, fake = chapters(real), chapters(fake)
    found = [f"'{name}' was played on one kernel only" for name in real.keys() ^ fake.keys()]
    for name in real.keys() & fake.keys():
        told = list(differences(name, real[name], fake[name]))
        found += told[:SHOWN] + [f"{name}: and {len(told) - SHOWN} more"] * (len(told) > SHOWN)
        found += [f"{name}: {line}" for line in real[name] if line.startswith(UNCLEAN)]
    return found, len(real)


# design.md, decision 6
@scenario("twin: the fake kernel does what this kernel does", boot="wrecked", seconds=1800)
def twin(guest):
    with tempfile.TemporaryDirectory(prefix="kernel-twin-") as folder:
        guest.put(PROGRAM, build(folder, "kernel-twin").read_bytes(), 0o755)
    guest.run(f"systemctl stop {UNIT}; modprobe vfio-pci && udevadm settle", 120)
    try:
        guest.run(f"{PROGRAM} describe > {DESCRIPTION}", 60)
        # 1: something was left behind, which the transcript says.
        played = guest.run(f"{PROGRAM} real > {REAL}", 900, check=False)
        imitated = guest.run(f"{PROGRAM} fake {DESCRIPTION} > {FAKE}", 300, check=False)
        description, real, fake = (guest.machine.get(path) for path in (DESCRIPTION, REAL, FAKE))
    finally:
        guest.systemctl("start")
    keep(os.environ.get("VFIO_BIND_TWIN_OUT"), description, real, fake)
    expect(not played.timed_out and played.code in (0, 1), f"kernel-twin real: {played}")
    expect(not imitated.timed_out and imitated.code in (0, 1), f"kernel-twin fake: {imitated}")
    found, count = compare(real.decode(), fake.decode())
    expect(not found, f"{len(found)} difference(s) in {count} scenarios:\n  " + "\n  ".join(found))


def keep(folder, description, real, fake):
    """For whoever mends the fake: VFIO_BIND_TWIN_OUT names a folder for description and transcripts."""
    if folder:
        for name, data in (("machine.json", description), ("real", real), ("fake", fake)):
            (pathlib.Path(folder) / name).write_bytes(data)
