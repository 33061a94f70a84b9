#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What runs beside the guests, a process and all below it, can be stopped for a while: beside.py PID SIGNAL...

VFIO_BIND_BESIDE names it to run.py.
"""

import contextlib
import os
import pathlib
import signal
import sys


def family(pid):
    """The process and all below it, parents first. Some of them are process groups of their own."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):      # it has ended
            parent = int(stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def tell(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.contextmanager
def quiet():
    """Nothing else runs meanwhile."""
    beside, stopped = os.environ.get("VFIO_BIND_BESIDE"), []
    try:
        while beside and (more := [pid for pid in family(int(beside)) if pid not in stopped]):
            tell(more, signal.SIGSTOP)
            stopped += more
        yield
    finally:
        tell(stopped, signal.SIGCONT)


if __name__ == "__main__":
    for word in sys.argv[2:]:
        tell(family(int(sys.argv[1])), signal.Signals[f"SIG{word}"])
