#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures and prints a table: run.py --programs FOLDER --deb PACKAGE [--half host|vm] [--only REGEX]

FOLDER is where CMake has built the target `bench`. A line that misses what is wanted says `short`, and that is no
failure; a measurement that cannot be made is one. RESULTS.md is written when both halves were measured whole.
"""

import argparse
import pathlib
import re
import signal
import subprocess
import sys
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent / "vm"))

import host_half            # noqa: E402
from private_bus import MeasureError    # noqa: E402
from table import as_markdown, as_text, machine_text, told      # noqa: E402

NOTES = {
    "Reading the machine": "Trees on tmpfs with what sysfs has. The bare loop is C over the same files: it opens, reads and "
                           "closes, and makes nothing of the answers. Times are the processor's.",
    "Large policies": "The processor's time, the best of five. Groups have two functions each, and selectors an address and an id.",
    "Instructions": "Of the programs themselves, without the kernel's, as callgrind counts them: so they are the same on a busy "
                    "machine. The daemon and its workers are one process, on a fake kernel whose own are left out.",
    "vfio-bindctl verify": "Descriptions made up for it, in memory, each with a name, a serial number for each group, and one policy "
                           "for all; the tool as it is built for the bench.",
    "One uevent": "The daemon's own code on such a tree, on a private bus; events come through a pipe as udev's do through "
                  "its socket, each from the kernel and again from udev. All on one processor.",
    "Sixteen groups in a virtual machine": "Eight NVMe and eight e1000e functions, from their native drivers to vfio-pci and "
        "back, in turns in one boot, medians of five. The limit is a program that does the same writes to the kernel in "
        "parallel and nothing else (limit.cpp). Guards, journal and verification are on in ours.",
    "One group in a virtual machine": "The library's guards and transaction without the daemon (guard_clock.cpp), medians of "
        "five. The daemon's guards look twice at a bind: when it is asked for, and right before the first write; the share is of "
        "one look, and of a bind without process and bus.",
    "The end of a lease": "A network card in a group of its own. The limit is a process that watches a pipe and then writes the same, "
        "without a ledger, a store and guards (limit.cpp).",
    "As people type it, with mitigations": "Each command from its start to its end by the wall clock, in turns in one boot. The "
        "client in C is the leanest that the bus can have (bus_clock.cpp), the limit is as above. The guest is as distributions "
        "ship it: its kernel mitigates what processors suffer from, and the processor has all that QEMU can emulate.",
    "As people type it, without mitigations": "The same in the rig's usual guest.",
    "Boot": "Units start side by side on processors that are all at work. What one adds is therefore its CPU time; the time from "
        "its start until it is up, which `systemd-analyze blame` tells, is mostly that of others. vfio-bind-early comes before udevd, and is measured so.",
    "The daemon at rest": "As above: the daemon's own code, with neither udev's socket nor systemd's watchdog. It has "
        "looked no module up yet: GetManagedObjects does, and libkmod with its libraries, 1.5 MiB, stays.",
}


class Bench:
    def __init__(self, only):
        self.only = only
        self.rows, self.failures = [], []

    def wants(self, name):
        return re.search(self.only, name) is not None

    def measure(self, name, rows):
        if not self.wants(name):
            return
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            self.rows += list(rows())
        except Exception as error:      # whatever it was: the others go on
            known = isinstance(error, MeasureError) or type(error).__module__ in ("guest", "machine", "image")
            where = traceback.extract_tb(error.__traceback__)[-1]
            sentence = str(error) if known else f"{type(error).__name__}: {error} ({pathlib.Path(where.filename).name}:{where.lineno})"
            self.failures.append(f"{name}: {sentence}")
            print(f"FAIL {self.failures[-1]}", flush=True)


def sizes(package):
    """The programs as they are installed."""
    listing = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, timeout=60, check=True)
    for line in listing.stdout.splitlines():
        words = line.split()
        if re.search(r"/(bin|libexec)/vfio-bind[a-z-]*$", words[5]):
            yield told("Size", words[5].removeprefix("."), f"{int(words[2]) / 1024:.0f} KiB")


def main():
    parser = argparse.ArgumentParser(description="how fast vfio-bind is")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="where the target `bench` was built")
    parser.add_argument("--deb", type=pathlib.Path, help="the package to measure")
    parser.add_argument("--half", choices=("host", "vm"), help="only this half")
    parser.add_argument("--only", default="", help="only measurements whose name this regular expression finds")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured in a guest; RESULTS.md wants 5")
    parser.add_argument("--idle", type=int, default=60, help="seconds that the daemon is watched doing nothing")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # what was started is ended
    if options.half != "host" and not (options.deb and options.deb.is_file()):
        parser.error(f"there is no package {options.deb}: --deb names it")

    bench = Bench(options.only)
    if options.half != "vm":
        with host_half.Host(options.programs.resolve(), options.idle) as host:
            for measurement in host_half.MEASUREMENTS:
                bench.measure(measurement.__name__, lambda m=measurement: m(host))
    if options.deb:
        bench.measure("sizes", lambda: sizes(options.deb))
    if options.half != "host":
        import typed        # the rig is not needed for the other half
        import vm_half
        vm_half.ROUNDS = options.rounds
        for half in (vm_half, typed):
            half.measure(bench, options.programs.resolve(), options.deb.read_bytes())

    print(as_text(bench.rows))
    print(f"\n{machine_text()}")
    short = sum(row.verdict == "short" for row in bench.rows)
    print(f"{len(bench.rows)} lines, {short} short, {len(bench.failures)} not measured")
    if not bench.rows:
        print(f"no measurement's name matches '{options.only}'", file=sys.stderr)
    elif not options.half and not options.only and options.rounds >= 5 and not bench.failures:
        (HERE / "RESULTS.md").write_text(as_markdown(bench.rows, machine_text(), NOTES), encoding="utf-8")
    return 1 if bench.failures or not bench.rows else 0


if __name__ == "__main__":
    sys.exit(main())
