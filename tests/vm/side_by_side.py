# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests of several machines side by side, each in a run.py of its own; a scenario that measures time runs alone."""

import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

LOCK = "VFIO_BIND_SCENARIOS_LOCK"
SUM = re.compile(r"\d+ passed, \d+ failed\n")


def run_each(boots, arguments, jobs, tally):
    """run.py with the arguments for every boot, so many at a time, in this order."""
    running = []
    with tempfile.TemporaryDirectory(prefix="vfio-bind-scenarios-") as folder:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            reports = [pool.submit(_run, boot, arguments, pathlib.Path(folder), running) for boot in boots]
            try:
                concurrent.futures.wait(reports)
            except BaseException:       # we are ended from outside: their guests end, too
                pool.shutdown(wait=False, cancel_futures=True)
                for process in running:
                    process.terminate()
                raise
        for boot, report in zip(boots, reports):
            if report.result() is None:
                tally.fail(f"machine '{boot}'", "run.py did not come to its end")
            else:
                tally.take(report.result())


def _run(boot, arguments, folder, running):
    report = folder / f"{boot}.xml"
    command = [sys.executable, pathlib.Path(__file__).with_name("run.py"), *arguments, "--boot", boot, "--junit", report]
    environment = {**os.environ, LOCK: str(folder / "lock")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        running.append(process)
        for line in process.stdout:
            if not SUM.fullmatch(line):
                print(line, end="", flush=True)
    return ElementTree.parse(report).getroot() if report.exists() else None


@contextlib.contextmanager
def turn(alone):
    """A scenario's turn: beside others, or alone."""
    if path := os.environ.get(LOCK):
        with open(path, "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
    else:
        yield
