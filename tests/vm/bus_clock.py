# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: D-Bus calls from one process, timed. Starting a program takes longer there than any answer.

    bus_clock.py answers GROUP-PATH            how long reads take, as JSON {what: [milliseconds of each try]}
    bus_clock.py binds TARGET GROUP-PATH       how long the answers to Bind take, as a list of milliseconds; the group
                                               is native before and after
    bus_clock.py jobs TARGET GROUP-PATH        how long Bind takes, as JSON {"answer": [milliseconds], "end": [milliseconds]},
                                               until its answer and until its job has ended
    bus_clock.py states GROUP-PATH SECONDS LAST COMMAND
        runs the shell command, and prints a line `STATE MILLISECONDS` for each state that the group then takes,
        counted from the command's end, until it has left the first and is LAST
"""

import ctypes
import json
import re
import subprocess
import sys
import time

NAME, ROOT = b"org.vfiobind1", b"/org/vfiobind1"
TRIES, BINDS, JOBS = 7, 4, 8
Handler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Error(ctypes.Structure):      # sd_bus_error(3)
    _fields_ = [("name", ctypes.c_char_p), ("message", ctypes.c_char_p), ("need_free", ctypes.c_int)]


class Bus:
    def __init__(self):
        self.lib = ctypes.CDLL("libsystemd.so.0")
        self.bus = ctypes.c_void_p()
        self.check(self.lib.sd_bus_open_system(ctypes.byref(self.bus)), "sd_bus_open_system")

    @staticmethod
    def check(result, what, error=None):
        if result < 0:
            told = f": {error.name.decode()}: {error.message.decode()}" if error and error.name else ""
            raise SystemExit(f"{what} failed with {result}{told}")

    def call(self, path, interface, member, types=b"", *arguments):
        """The answer's first value where it is a string, else None."""
        error, reply, text = Error(), ctypes.c_void_p(), ctypes.c_char_p()
        result = self.lib.sd_bus_call_method(self.bus, NAME, path, interface, member, ctypes.byref(error),
                                             ctypes.byref(reply), types or None, *arguments)
        self.check(result, member.decode(), error)
        got = self.lib.sd_bus_message_read(reply, b"s", ctypes.byref(text))
        value = text.value.decode() if got > 0 else None
        self.lib.sd_bus_message_unref(reply)
        return value

    def state(self, group):
        error, text = Error(), ctypes.c_char_p()
        self.check(self.lib.sd_bus_get_property_string(self.bus, NAME, group, b"org.vfiobind1.Group", b"State",
                                                       ctypes.byref(error), ctypes.byref(text)), "State", error)
        return text.value.decode()

    def tree(self, path=ROOT):
        """What `busctl tree` asks: the nodes below each node. Gives how many there are."""
        xml = self.call(path, b"org.freedesktop.DBus.Introspectable", b"Introspect")
        children = re.findall(r'<node name="([^"]+)"', xml)
        return 1 + sum(self.tree(path + b"/" + child.encode()) for child in children)


def milliseconds(action):
    began = time.monotonic()
    action()
    return round((time.monotonic() - began) * 1000, 1)


def answers(group):
    bus = Bus()
    reads = {
        "State": lambda: bus.state(group),
        "GetAll": lambda: bus.call(group, b"org.freedesktop.DBus.Properties", b"GetAll", b"s", b"org.vfiobind1.Group"),
        "Describe": lambda: bus.call(ROOT, b"org.vfiobind1.Manager", b"Describe"),
        "GetManagedObjects": lambda: bus.call(ROOT, b"org.freedesktop.DBus.ObjectManager", b"GetManagedObjects"),
        "busctl tree": bus.tree,
    }
    print(json.dumps({name: [milliseconds(read) for _ in range(TRIES)] for name, read in reads.items()}))


def binds(target, group):
    bus = Bus()

    def call(member):
        bus.call(ROOT, b"org.vfiobind1.Manager", member, b"sa{sv}", target, ctypes.c_uint(0))

    def become(state):
        while bus.state(group) != state:    # each answer is waited for
            pass

    times = []
    for _ in range(BINDS):
        times.append(milliseconds(lambda: call(b"Bind")))
        become("bound")
        call(b"Release")
        become("native")
    print(json.dumps(times))


class Jobs(Bus):
    """Waits for their ends by the daemon's signals."""

    def __init__(self, group):
        super().__init__()
        self.group, self.results = group, []
        self.handler = Handler(self.hear)
        self.check(self.lib.sd_bus_match_signal(self.bus, None, NAME, ROOT, b"org.vfiobind1.Manager", b"JobRemoved", self.handler, None),
                   "sd_bus_match_signal")

    def hear(self, message, _data, _error):
        job, path, group, result = ctypes.c_uint32(), ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_char_p()
        self.lib.sd_bus_message_read(ctypes.c_void_p(message), b"uoos", ctypes.byref(job), ctypes.byref(path), ctypes.byref(group),
                                     ctypes.byref(result))
        if group.value == self.group:
            self.results.append(result.value.decode())
        return 0

    def run(self, member, target):
        """Milliseconds until the answer, and until the job's end."""
        self.results.clear()
        began = time.monotonic()
        self.call(ROOT, b"org.vfiobind1.Manager", member, b"sa{sv}", target, ctypes.c_uint(0))
        answered = time.monotonic()
        while not self.results:
            if self.check(self.lib.sd_bus_process(self.bus, None), "sd_bus_process") == 0:
                self.check(self.lib.sd_bus_wait(self.bus, ctypes.c_uint64(2**64 - 1)), "sd_bus_wait")
        if self.results != ["done"]:
            raise SystemExit(f"{member.decode()} ended {self.results}")
        return [round((moment - began) * 1000, 1) for moment in (answered, time.monotonic())]


def jobs(target, group):
    bus = Jobs(group)
    times = []
    for _ in range(JOBS):
        times.append(bus.run(b"Bind", target))
        bus.run(b"Release", target)
    print(json.dumps(dict(zip(("answer", "end"), zip(*times)))))


def states(group, seconds, last, command):
    bus = Bus()
    known = bus.state(group)
    subprocess.run(command, shell=True, check=True)
    began = time.monotonic()
    moved = False
    while not moved or known != last:
        now = bus.state(group)      # each answer is waited for: this asks as fast as the daemon answers
        passed = time.monotonic() - began
        if now != known:
            print(now, round(passed * 1000), flush=True)
            known = now
            moved = True
        if passed > seconds:
            raise SystemExit(f"the group is '{now}' and not '{last}' after {seconds} s")


def main():
    verb, *words = [word.encode() for word in sys.argv[1:]]
    if verb == b"answers":
        answers(*words)
    elif verb == b"binds":
        binds(*words)
    elif verb == b"jobs":
        jobs(*words)
    elif verb == b"states":
        states(words[0], float(words[1]), words[2].decode(), words[3])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
