#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the scenarios on a real kernel: run.py --deb PATH [--suite NAME] [--only REGEX] [--keep]

Prints `ok NAME (SECONDS s)` or `FAIL NAME: sentence` as each scenario ends, and last a line `N passed, N failed`. The exit
code is 0 only if nothing failed. Something that is missing is a failure, never a skip.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import scenarios
from boots import BOOTS
from guest import BusError, Failed, Guest
from image import RigError
from machine import CommandFailed, Machine

HERE = pathlib.Path(__file__).resolve().parent
CLEAN_SECONDS = 300
PATIENCE = 3        # a scenario's seconds are an idle host's


class TimeUp(Exception):
    pass


@contextlib.contextmanager
def time_limit(seconds, what):
    def ring(*_):
        raise TimeUp(f"{what} did not end in {seconds} s")
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def build_probe():
    """vfio-probe, linked statically: the guest's libraries need not be the host's."""
    out = pathlib.Path(tempfile.mkdtemp(prefix="vfio-probe-")) / "vfio-probe"
    try:
        built = subprocess.run(["g++", "-std=c++23", "-O2", "-static", "-o", str(out), str(HERE / "vfio-probe.cpp")],
                               capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError as error:
        raise RigError("g++ is not installed, and vfio-probe must be built (or named with --probe)") from error
    if built.returncode != 0:
        raise RigError(f"vfio-probe could not be built: {built.stderr.strip()}")
    return out


def family(pids):
    """The processes and all below them, parents first. timeout(1) has each of its own in a process group of its own."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):      # it has ended
            parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = list(pids)
    for one in found:
        found += children.get(one, [])
    return found


def tell(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def quiet():
    """Stops what tests/run.sh has running beside the guests, and lets it go on afterwards."""
    beside = [int(pid) for pid in os.environ.get("VFIO_BIND_BESIDE", "").split()]
    stopped = []
    try:
        while beside and (more := [pid for pid in family(beside) if pid not in stopped]):
            tell(more, signal.SIGSTOP)
            stopped += more
        yield
    finally:
        tell(stopped, signal.SIGCONT)


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def ok(self, name, seconds):
        self.passed += 1
        print(f"ok {name} ({seconds:.0f} s)", flush=True)

    def fail(self, name, sentence):
        self.failed += 1
        print(f"FAIL {name}: {sentence}", flush=True)


def show_guest(guest):
    """What the guest knows about a failure."""
    with contextlib.suppress(CommandFailed, RigError):
        for title, text in (
                ("journal of vfio-bind", guest.journal()),
                ("kernel", guest.run("dmesg | tail -n 30", check=False).stdout),
                ("devices", "\n".join(f"{a} {d or '-'}" for a, d in guest.drivers().items()))):
            print(f"  --- {title}")
            print("\n".join(f"  | {line}" for line in text.splitlines()), flush=True)
        return
    print("  --- the guest does not answer; the end of its console:\n" + guest.machine.console_tail(), flush=True)


def sentence_of(error):
    if isinstance(error, (Failed, BusError, CommandFailed, RigError, TimeUp)):
        return str(error) or type(error).__name__
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({pathlib.Path(where.filename).name}:{where.lineno})"


def run_one(scenario, guest, tally, again):
    """False where it is to run again in another guest, since the emulator itself has failed."""
    begun = time.monotonic()
    try:
        if not scenario.fresh:
            with time_limit(CLEAN_SECONDS, "bringing the guest back to its first state"):
                guest.clean()
        with time_limit(PATIENCE * scenario.seconds, "the scenario"), quiet() if scenario.timed else contextlib.nullcontext():
            scenario.run(guest)
        tally.ok(scenario.name, time.monotonic() - begun)
    except Exception as error:      # whatever it was: the others go on
        if again and (fault := guest.machine.emulator_fault()):
            print(f"  {fault} in {scenario.name}: a new guest is started, once, and runs it again", flush=True)
            return False
        tally.fail(scenario.name, sentence_of(error))
        with contextlib.suppress(TimeUp), time_limit(60, "showing the guest"):
            show_guest(guest)
    return True


def run_boot(boot, chosen, package, probe, keep, tally):
    """One boot and all that is to be seen in it."""
    left = sorted(chosen, key=lambda s: not s.fresh)
    for again in (True, False):
        if left:
            left = run_guest(boot, left, package, probe, keep, tally, again)


def run_guest(boot, chosen, package, probe, keep, tally, again):
    """Gives back what is left to run in another guest. If this one does not come up, every scenario of it has failed."""
    machine = Machine(boot)
    try:
        guest = make_ready(machine, package, probe)
        for number, scenario in enumerate(chosen):
            if not run_one(scenario, guest, tally, again):
                return chosen[number:]
    except NotReady as error:
        if again and (fault := machine.emulator_fault()):
            print(f"  {fault} before the guest was ready: a new one is started, once", flush=True)
            return chosen
        for scenario in chosen:
            tally.fail(scenario.name, str(error))
        if machine.folder:
            print(machine.console_tail(), flush=True)
    finally:
        machine.stop(keep_folder=keep)
        if keep and machine.folder:
            print(f"kept: {machine.folder}", flush=True)
    return []


class NotReady(Exception):
    pass


def make_ready(machine, package, probe):
    try:
        with time_limit(1500, "building and booting the guest"):
            machine.start()
        guest = Guest(machine)
        machine.put("/usr/local/bin/vfio-probe", probe, 0o755)
        with time_limit(300, "installing the package"):
            guest.install(package)
        return guest
    except Exception as error:      # whatever it was: no scenario can be run
        raise NotReady(f"the guest could not be made ready: {sentence_of(error)}") from error


def main():
    parser = argparse.ArgumentParser(description="vfio-bind on a real kernel")
    parser.add_argument("--deb", type=pathlib.Path, required=True, help="the package to test")
    parser.add_argument("--suite", default="", help="the guest's Debian release, if not each boot's own: trixie")
    parser.add_argument("--only", default="", help="run only the scenarios whose name this regular expression finds")
    parser.add_argument("--keep", action="store_true", help="keep the guest's disk and console log")
    parser.add_argument("--probe", type=pathlib.Path, help="a vfio-probe that is built already")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios and end")
    options = parser.parse_args()
    # Ended from outside, the rig still takes its guest and its files with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    chosen = [s for s in scenarios.load() if re.search(options.only, s.name) and (options.only or not s.named)]
    if options.list:
        print("\n".join(f"{s.boot}: {s.name}" for s in chosen))
        return 0
    tally = Tally()
    try:
        if not chosen:
            raise RigError(f"no scenario's name matches '{options.only}'")
        if not options.deb.is_file():
            raise RigError(f"there is no package {options.deb}")
        package = options.deb.read_bytes()
        probe = (options.probe or build_probe()).read_bytes()
    except (RigError, OSError) as error:
        for name in [s.name for s in chosen] or ["run.py"]:
            tally.fail(name, sentence_of(error))
    else:
        for name in dict.fromkeys(s.boot for s in chosen):
            boot = BOOTS[name]
            if options.suite:
                boot = dataclasses.replace(boot, suite=options.suite)
            run_boot(boot, [s for s in chosen if s.boot == name], package, probe, options.keep, tally)
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
