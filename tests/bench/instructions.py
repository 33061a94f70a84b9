# SPDX-License-Identifier: LGPL-2.1-or-later
"""Instructions, which are the same on a busy machine as on an idle one: what callgrind counts of the programs themselves.

The daemon is fake-bindd: its workers and the fake kernel are in its process, so what is counted is the work, and not how it is
divided. The kernel's instructions are not in it, neither the real one's nor the fake one's.
"""

import contextlib
import json
import pathlib
import re
import subprocess
import tempfile
import threading

from private_bus import MeasureError, read_line, start_bus, stop
from table import Row, against, told

THEME = "Instructions"
GROUPS = (1, 16, 64)
# Nothing hangs here: the counting takes its time.
POLICY = '[[bind]]\nname = "all"\ndevices = ["8086:10d3"]\nwhen = "asked"\ntimeout = "10min"\n'
LIMIT = 600     # seconds; a program runs some fifty times as long as by itself
MANAGED = ("--user", "call", "org.vfiobind1", "/org/vfiobind1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")


def _machine(groups):
    """A card in each group, each below a port of its own."""
    return json.dumps({
        "iommu": ["dmar0"],
        "drivers": [{"name": "e1000e", "module": "e1000e", "ids": ["8086:10d3"]}],
        "devices": [{"address": f"0000:{number + 1:02x}:00.0", "ids": "8086:10d3", "class": "020000", "group": number + 1,
                     "driver": "e1000e"} for number in range(groups)]})


def _words(output, *command):
    return ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={output}", *map(str, command)]


def _count(output):
    found = re.search(r"^(?:summary|totals): (\d+)$", output.read_text(encoding="utf-8"), re.M)
    if not found:
        raise MeasureError(f"callgrind has counted nothing: {output}")
    return int(found.group(1))


def _fake_kernels(output):
    """What the calls into the fake kernel cost, with all that it calls; the lines are those of callgrind's format."""
    names, total, inside, enters, comes = {}, 0, False, False, False
    for line in output.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?$", line):
            called, number, name = found.groups()
            if name:
                names[number] = re.match("vfiobind::(FakeKernel|KernelSeam|faketext)::", name) is not None
            if called:
                enters = names[number] and not inside
            else:
                inside = names[number]
        elif line.startswith("calls="):
            comes = enters
        elif comes:
            total += int(line.split()[1])
            comes = False
    return total


class Counted:
    """The daemon, counted from its start to its end, and commands beside it, each counted by itself."""

    def __init__(self, programs, groups):
        self.tool, self.fake = programs / "../../ctl/vfio-bindctl", programs / "../bus/fake-bindd"
        self.groups = groups

    def __enter__(self):
        with contextlib.ExitStack() as begun:
            self._start(begun)
            self._ended_by = begun.pop_all()
        return self

    def __exit__(self, *_):
        self._ended_by.close()

    def _start(self, begun):
        self.folder = pathlib.Path(begun.enter_context(tempfile.TemporaryDirectory(prefix="vfio-bind-bench-")))
        for name, text in (("vfio-bind.toml", POLICY), ("machine.json", _machine(self.groups))):
            (self.folder / name).write_text(text, encoding="ascii")
        (self.folder / "run").mkdir()
        bus, self.environment = start_bus(self.folder)
        begun.callback(stop, bus)
        self.process = subprocess.Popen(
            _words(self.folder / "daemon.out", self.fake, "--session", "--config", self.folder / "vfio-bind.toml", "--state",
                   self.folder / "run", "--machine", self.folder / "machine.json"),
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=self.environment)
        begun.callback(stop, self.process)
        while not read_line(self.process.stderr, LIMIT, "fake-bindd").endswith("fake-bindd is ready"):
            pass
        # It logs each job; were nobody to read that, it would wait once the pipe is full.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def run(self, *command):
        """Instructions of the command."""
        output = self.folder / "command.out"
        done = subprocess.run(_words(output, *command), capture_output=True, text=True, timeout=LIMIT, env=self.environment,
                              check=False)
        if done.returncode != 0:
            raise MeasureError(f"`{' '.join(map(str, command))}` ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        return _count(output)

    def ctl(self, *words):
        return self.run(self.tool, "--session", *words)

    def end(self):
        """Instructions of the daemon until now."""
        self.process.terminate()
        self.process.wait(LIMIT)
        output = self.folder / "daemon.out"
        return _count(output) - _fake_kernels(output)


def _millions(count):
    return f"{count / 1e6:.1f} M"


def _asked(programs):
    with Counted(programs, 16) as daemon:
        for what, ours, other, most in (
                ("vfio-bindctl --version", daemon.ctl("--version"), daemon.run("busctl", "--version"), 1.2),
                ("vfio-bindctl status, 16 functions", daemon.ctl("status"), daemon.run("busctl", *MANAGED), 1.5)):
            yield against(THEME, what, [ours / 1e6], [other / 1e6], most, unit="M", name="busctl")


def _changes(programs):
    """{groups: (of the daemon for a bind, for a release, of the tool for a bind)}"""
    found = {}
    for groups in GROUPS:
        taken = []
        for verbs in ((), ("bind",), ("bind", "release")):
            with Counted(programs, groups) as daemon:
                tool = [daemon.ctl(verb, "all") for verb in verbs]
                taken.append(daemon.end())
        found[groups] = (taken[1] - taken[0], taken[2] - taken[1], tool[0])
    return found


def instructions(host):
    yield from _asked(host.programs)
    changes = _changes(host.programs)
    for groups, (bind, release, tool) in changes.items():
        of = f"of {groups} group{'s' * (groups > 1)}"
        yield told(THEME, f"bind {of}: daemon and workers", _millions(bind))
        yield told(THEME, f"release {of}: daemon and workers", _millions(release))
        yield told(THEME, f"bind {of}: vfio-bindctl", _millions(tool))
    for index, what in enumerate(("bind: daemon and workers", "release: daemon and workers", "bind: vfio-bindctl")):
        ratio = changes[64][index] / changes[16][index]
        yield Row(THEME, f"{what}, four times as many groups", _millions(changes[64][index]), _millions(changes[16][index]),
                  f"{ratio:.2f}", "<= 4.40", "ok" if ratio <= 4.4 else "short")
