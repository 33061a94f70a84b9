# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: asks for Checks without end, so many at a time.

    check_storm.py AT_A_TIME TARGET...

Prints `answered NUMBER REFUSED` after each hundred answers, REFUSED being how many of all were errors.
"""

import ctypes
import itertools
import sys

NAME, ROOT, MANAGER = b"org.vfiobind1", b"/org/vfiobind1", b"org.vfiobind1.Manager"

LIB = ctypes.CDLL("libsystemd.so.0")
Handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def check(result, what):
    if result < 0:
        raise SystemExit(f"{what} failed with {result}")
    return result


class Storm:
    def __init__(self):
        self.answered = self.refused = 0
        self.handler = Handler(self.receive)
        self.bus = ctypes.c_void_p()
        check(LIB.sd_bus_open_system(ctypes.byref(self.bus)), "sd_bus_open_system")

    def receive(self, message, _data, _error):
        self.answered += 1
        self.refused += LIB.sd_bus_message_is_method_error(ctypes.c_void_p(message), None) > 0
        if self.answered % 100 == 0:
            print("answered", self.answered, self.refused, flush=True)
        return 1

    def run(self, most, targets):
        for asked, target in enumerate(itertools.cycle(targets), 1):
            check(LIB.sd_bus_call_method_async(self.bus, None, NAME, ROOT, MANAGER, b"Check", self.handler, None, b"sa{sv}",
                                               target.encode(), ctypes.c_int(0)), "Check")
            while asked - self.answered >= most:
                if check(LIB.sd_bus_process(self.bus, None), "sd_bus_process") == 0:
                    check(LIB.sd_bus_wait(self.bus, ctypes.c_uint64(10**7)), "sd_bus_wait")


Storm().run(int(sys.argv[1]), sys.argv[2:])
