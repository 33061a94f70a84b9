# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: commands as people type them, from their start to their end by the wall clock, in turns.

    typed_in_guest.py hands ROUNDS      all functions and one: {"all": {tool: {"bind": [MS...], "release": ...}}, "one": ...}
    typed_in_guest.py asks ROUNDS       what changes nothing, and a lease: {command: {who: [MS...]}}

Beside vfio-bindctl stands the leanest client that the bus can have (bus_clock.cpp), by the wall clock as well.
"""

import json
import sys

from in_guest import (BareLimit, Clocked, DAEMON, DEVICES, Driverctl, HIDDEN_RULE, Virsh, bound, expect_native, hide_rule, run,
                      settle)

ONE = next(iter(DEVICES))
MANAGED = ("call", "org.vfiobind1", "/org/vfiobind1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
ASKED = {
    "version": {"typed": ("vfio-bindctl", "--version"), "busctl": ("busctl", "--version")},
    "status": {"typed": ("vfio-bindctl", "status"), "busctl": ("busctl", *MANAGED)},
    "run": {"typed": ("vfio-bindctl", "run", ONE, "--", "true")},
}


class WithDaemon(Clocked):
    def before(self):
        run("systemctl", "start", DAEMON)

    def after(self):
        run("systemctl", "stop", DAEMON)


def target(devices):
    return "all" if len(devices) == len(DEVICES) else devices[0]


class Typed(WithDaemon):
    def bind(self, devices):
        return self._clock(("vfio-bindctl", "bind", target(devices)))

    def release(self, devices):
        return self._clock(("vfio-bindctl", "release", target(devices)))


class Bus(WithDaemon):
    def bind(self, devices):
        return self._clock(("/usr/local/bin/bus-clock", "hand", "Bind", target(devices), str(len(devices))))

    def release(self, devices):
        return self._clock(("/usr/local/bin/bus-clock", "hand", "Release", target(devices), str(len(devices))))


class Limit(BareLimit):
    def release(self, devices):
        return self._clock(("/usr/local/bin/limit", "release", *(f"{a}={DEVICES[a]}" for a in devices)))


def turn(tool, devices, results):
    tool.before()
    for verb, left in (("bind", len(devices)), ("release", 0)):
        settle()
        results.setdefault(verb, []).append(getattr(tool, verb)(devices))
        settle()    # what udev does because of it disturbs no other
        if bound(devices) != left:
            raise SystemExit(f"{type(tool).__name__} {verb}: {bound(devices)} functions are on vfio-pci and not {left}")
    tool.after()
    expect_native(devices)


def hands(rounds):
    tools = {"typed": Typed, "bus": Bus, "limit": Limit, "driverctl": Driverctl, "virsh": Virsh}
    results = {count: {name: {} for name in tools} for count in ("all", "one")}
    if not HIDDEN_RULE.is_symlink():
        hide_rule()
    for _ in range(rounds):
        for count, devices in (("all", list(DEVICES)), ("one", [ONE])):
            for name, tool in tools.items():
                turn(tool(), devices, results[count][name])
    return results


def asks(rounds):
    results = {what: {who: [] for who in commands} for what, commands in ASKED.items()}
    run("systemctl", "start", DAEMON)
    for _ in range(rounds):
        for what, commands in ASKED.items():
            for who, words in commands.items():
                results[what][who].append(Clocked()._clock(words))
                settle()
    return results


def main():
    verb, rounds = sys.argv[1:]
    print(json.dumps({"hands": hands, "asks": asks}[verb](int(rounds))))


if __name__ == "__main__":
    main()
