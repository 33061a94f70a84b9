# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: kills each process that another one forks, as soon as it is there, until it is ended itself.

    look_killer.py PID TARGET TIMES    asks for so many Binds meanwhile, then prints {"killed": NUMBER, "told": [TEXT...]},
                                       what the callers were told, each text once
"""

import ctypes
import json
import os
import pathlib
import signal
import sys
import threading

from bus_clock import NAME, ROOT, Bus, Error


class Killer(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        self.killed = 0

    def run(self):
        dead = set()
        while True:
            now = set(map(int, self.children.read_text(encoding="ascii").split()))
            for pid in now - dead:
                os.kill(pid, signal.SIGKILL)    # it is there until its parent has reaped it
                self.killed += 1
            dead = now


def told(bus, target):
    error = Error()
    result = bus.lib.sd_bus_call_method(bus.bus, NAME, ROOT, b"org.vfiobind1.Manager", b"Bind", ctypes.byref(error), None, b"sa{sv}",
                                        target, ctypes.c_uint(0))
    return error.message.decode() if result < 0 and error.message else str(result)


def main():
    pid, target, times = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
    killer = Killer(pid)
    killer.start()
    bus = Bus()
    texts = sorted({told(bus, target) for _ in range(times)})
    print(json.dumps({"killed": killer.killed, "told": texts}), flush=True)
    signal.pause()


main()
