#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the scenarios on a real kernel: run.py --deb PATH [--suite NAME] [--only REGEX] [--named] [--keep] [--junit FILE]

Prints `ok NAME (SECONDS s)` or `FAIL NAME: sentence` as each scenario ends, and last a line `N passed, N failed`. The exit
code is 0 only if nothing failed. Something that is missing is a failure, never a skip.
"""

import argparse
import contextlib
import dataclasses
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from xml.etree import ElementTree

import scenarios
from beside import quiet
from boots import BOOTS
from channel import CommandFailed
from guest import BusError, Failed
from image import RigError
from machine import EmulatorFault
from saved import ready_guest

HERE = pathlib.Path(__file__).resolve().parent
CLEAN_SECONDS = 300
READY_SECONDS = 1800    # with the building of an image
PATIENCE = 3        # a scenario's seconds are an idle host's


class TimeUp(Exception):
    pass


class NotReady(Exception):
    """There is no guest to run in; the text says why."""


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


class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.report = ElementTree.Element("testsuite", name="vm")

    def ok(self, name, seconds):
        self.passed += 1
        self._add(name, seconds)
        print(f"ok {name} ({seconds:.0f} s)", flush=True)

    def fail(self, name, sentence):
        self.failed += 1
        ElementTree.SubElement(self._add(name, 0), "failure", message=sentence)
        print(f"FAIL {name}: {sentence}", flush=True)

    def _add(self, name, seconds):
        return ElementTree.SubElement(self.report, "testcase", name=name, status="run", time=f"{seconds:.1f}")

    def write(self, path):
        """As JUnit has it."""
        self.report.set("tests", str(self.passed + self.failed))
        self.report.set("failures", str(self.failed))
        ElementTree.ElementTree(self.report).write(path, encoding="utf-8", xml_declaration=True)


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
    if isinstance(error, (Failed, BusError, CommandFailed, RigError, NotReady, TimeUp)):
        return str(error) or type(error).__name__
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({pathlib.Path(where.filename).name}:{where.lineno})"


class Runner:
    """Runs scenarios of one boot. They share a guest as long as each leaves it as it was; else the next has another."""

    def __init__(self, boot, package, probe, options, tally):
        self.boot, self.package, self.probe, self.tally = boot, package, probe, tally
        self.keep, self.built = options.keep, options.deb.parent
        self.guest = None
        self.begun = False          # whether a scenario has run in this guest
        self.unready = ""           # why there is no guest, told once: then none of the boot's scenarios can run

    def run(self, scenario):
        for again in (True, False):
            try:
                self._make_ready(scenario)
                began = time.monotonic()
                limit = time_limit(PATIENCE * scenario.seconds, "the scenario")
                with limit, quiet() if scenario.timed else contextlib.nullcontext():
                    self.begun = True
                    scenario.run(self.guest)
                self.tally.ok(scenario.name, time.monotonic() - began)
                return
            except Exception as error:      # whatever it was: the others go on
                fault = isinstance(error, EmulatorFault) or (self.guest and self.guest.machine.emulator_fault())
                if not (again and fault):
                    self.tally.fail(scenario.name, sentence_of(error))
                    self._show()
                    self.leave()
                    return
                print(f"  QEMU went wrong in {scenario.name} ({sentence_of(error)}): it is run again, once, in a new guest",
                      flush=True)
                self.leave()

    def _make_ready(self, scenario):
        """A guest at rest in its first state."""
        if self.unready:
            raise NotReady(self.unready)
        if self.begun and not self._is_clean(scenario):
            self.leave()
        if self.guest is None:
            try:
                with time_limit(READY_SECONDS, "making the guest ready"):
                    self.guest = ready_guest(self.boot, self.package, self.probe, sys.stderr)
                    self.guest.built = self.built
            except EmulatorFault:
                raise
            except Exception as error:      # whatever it was: no scenario can be run
                self.unready = f"the guest could not be made ready: {sentence_of(error)}"
                raise NotReady(self.unready) from error

    def _is_clean(self, scenario):
        if scenario.fresh:
            return False
        try:
            with time_limit(CLEAN_SECONDS, "bringing the guest back to its first state"):
                left = self.guest.clean()
        except (CommandFailed, RigError, TimeUp) as error:
            left = sentence_of(error)
        if left:        # not a failure of the scenario that comes now, but somebody should know
            print(f"note: {scenario.name} has a new guest, for the one before did not come back to its first state: {left}",
                  flush=True)
        return not left

    def _show(self):
        if self.guest:
            with contextlib.suppress(TimeUp), time_limit(60, "showing the guest"):
                show_guest(self.guest)

    def leave(self):
        if self.guest:
            self.guest.machine.stop(keep_folder=self.keep)
            if self.keep:
                print(f"kept: {self.guest.machine.folder}", flush=True)
        self.guest, self.begun = None, False


def run_all(chosen, options, package, probe, tally):
    """Boot by boot."""
    for name in dict.fromkeys(s.boot for s in chosen):
        boot = BOOTS[name]
        if options.suite:
            boot = dataclasses.replace(boot, suite=options.suite)
        runner = Runner(boot, package, probe, options, tally)
        try:
            for scenario in sorted((s for s in chosen if s.boot == name), key=lambda s: not s.fresh):
                runner.run(scenario)
        finally:
            runner.leave()


def main():
    parser = argparse.ArgumentParser(description="vfio-bind on a real kernel")
    parser.add_argument("--deb", type=pathlib.Path, required=True, help="the package to test")
    parser.add_argument("--suite", default="", help="the guest's Debian release, if not each boot's own: trixie")
    parser.add_argument("--only", default="", help="run only the scenarios whose name this regular expression finds")
    parser.add_argument("--keep", action="store_true", help="keep the guest's disk and console log")
    parser.add_argument("--probe", type=pathlib.Path, help="a vfio-probe that is built already")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios and end")
    parser.add_argument("--named", action="store_true", help="also those that run only when they are named: hours")
    parser.add_argument("--junit", type=pathlib.Path, help="a file for a report as JUnit writes it")
    options = parser.parse_args()
    # Ended from outside, the rig still takes its guest and its files with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    chosen = [s for s in scenarios.load() if re.search(options.only, s.name) and (options.only or options.named or not s.named)]
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
        run_all(chosen, options, package, probe, tally)
    if options.junit:
        tally.write(options.junit)
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
