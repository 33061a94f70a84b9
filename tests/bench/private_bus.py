# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus of its own, and bench-bindd on it, with a tree of files in place of the kernel's."""

import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile
import time

CONFIG = """\
[[bind]]
name = "elsewhere"
devices = ["1b36:0010", "10de:2204"]
[[bind]]
name = "not-there"
devices = ["0000:fe:1f.7"]
"""

BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""


class MeasureError(Exception):
    """A measurement could not be made; the text is the sentence to show."""


def read_line(stream, seconds, what):
    """One line of an unbuffered pipe."""
    line = b""
    deadline = time.monotonic() + seconds
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise MeasureError(f"{what}: no answer in {seconds} s")
        byte = stream.read(1)
        if not byte:
            raise MeasureError(f"{what}: it ended")
        line += byte
    return line.decode().rstrip("\n")


def start_bus(folder):
    """dbus-daemon, and the environment of who is to find it."""
    (folder / "bus.conf").write_text(BUS.format(folder=folder), encoding="ascii")
    with open(folder / "bus.log", "wb") as log:
        process = subprocess.Popen(["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--print-address"],
                                   stdout=subprocess.PIPE, stderr=log, bufsize=0)
    return process, {**os.environ, "DBUS_SESSION_BUS_ADDRESS": read_line(process.stdout, 20, "dbus-daemon")}


def stop(process):
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


class Daemon:
    """bench-bindd on a tree. `started` is how long it took to be ready, in milliseconds."""

    def __init__(self, programs, tree):
        self.programs, self.tree = programs, tree
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-bind-bench-"))
        self.bus = self.process = None
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        (self.folder / "vfio-bind.toml").write_text(CONFIG, encoding="ascii")
        (self.folder / "run").mkdir()
        self.bus, self.environment = start_bus(self.folder)
        began = time.monotonic()
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [self.programs / "bench-bindd", self.tree.root, self.folder / "vfio-bind.toml", self.folder / "run"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, env=self.environment)
        try:
            line = read_line(self.process.stdout, 60, "bench-bindd")
        except MeasureError as error:
            raise MeasureError(f"{error}; it said: {self.log()[-800:]}") from error
        self.started = (time.monotonic() - began) * 1000
        if line != "ready":
            raise MeasureError(f"bench-bindd said '{line}' and not 'ready'")
        self._wait_for_survey()

    def _wait_for_survey(self):
        """Its first worker, which reads what can block, has ended and was heard."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        deadline = time.monotonic() + 60
        while children.read_text(encoding="ascii").split():
            if time.monotonic() > deadline:
                raise MeasureError("bench-bindd's survey of the overrides did not end in 60 s")
            self.finish()
        self.finish()

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def send(self, *lines):
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())

    def finish(self):
        """All that was sent is done, and told on the bus."""
        self.send("done")
        read_line(self.process.stdout, 60, "bench-bindd")

    def event(self, address):
        """As udev tells it, first for the kernel and then for itself; done when this returns."""
        for origin in ("kernel", "udev"):
            self.send(f"{origin} {address}")
            self.finish()

    def cpu(self):
        """Seconds that its one thread has computed (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory(self):
        """MiB: resident, and its proportional share of what it shares."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        return tuple(int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) / 1024 for key in ("Rss", "Pss"))

    def client(self, *words, seconds=300):
        """bus-clock's numbers."""
        done = subprocess.run([self.programs / "bus-clock", *map(str, words)], env=self.environment, timeout=seconds,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MeasureError(f"bus-clock {words[0]}: {done.stderr.strip()}")
        return [int(line) for line in done.stdout.split()]

    def listeners(self, count):
        return subprocess.Popen([self.programs / "bus-clock", "listen", str(count)], env=self.environment, bufsize=0,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def traced(self, calls="all"):
        return Trace(self.pid, calls)

    def stop(self):
        for process in (self.process, self.bus):
            if process is not None:
                stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)


class Trace:
    """strace on a running process; `lines` are the calls that it made meanwhile."""

    def __init__(self, pid, calls):
        self.command = ["strace", "-f", "-p", str(pid), "-e", f"trace={calls}"]

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vfio-bind-bench-")
        self.file = pathlib.Path(self.folder.name) / "calls"
        self.process = subprocess.Popen([*self.command, "-o", str(self.file)], stderr=subprocess.PIPE, bufsize=0)
        line = read_line(self.process.stderr, 20, "strace")
        if "attached" not in line:
            raise MeasureError(f"strace cannot attach: {line}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()
        self.lines = [line for line in self.file.read_text(errors="replace").splitlines() if "(" in line]
        self.folder.cleanup()
