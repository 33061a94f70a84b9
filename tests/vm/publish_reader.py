# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: publish_reader.py COUNT SEED TARGET...

Binds and releases targets at random, waits for each job, kills the daemon now and then, and meanwhile reads the CDI spec and
the metrics at every change of their folders. Prints a JSON object a round, and last: what was wrong, how often each file came,
and how many milliseconds after JobRemoved the spec was true. What else is bound is not looked at.
"""

import ctypes
import json
import os
import random
import re
import struct
import subprocess
import sys
import time

from gi.repository import Gio, GLib

NAME, ROOT = "org.vfiobind1", "/org/vfiobind1"
MANAGER = "org.vfiobind1.Manager"
SPEC, METRICS = "/run/cdi/vfio-bind.json", "/run/vfio-bind/metrics.prom"
MOVED_TO, DELETE = 0x80, 0x200
SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
KILLS = 0.1         # of the rounds
LATEST = 2.0        # seconds; what comes later than this after a job's end does not come

wrong = []
seen = {SPEC: 0, METRICS: 0}


def nodes():
    """Of the spec's devices; anything that a reader would refuse is noted."""
    try:
        with open(SPEC, encoding="utf-8") as file:
            spec = json.load(file)
    except FileNotFoundError:
        return set()
    except ValueError as error:
        wrong.append(f"the spec is no JSON: {error}")
        return set()
    if set(spec) != {"cdiVersion", "kind", "devices", "containerEdits"} or not spec["devices"]:
        wrong.append(f"the spec is not valid: {spec}")
    names = [device["name"] for device in spec["devices"]]
    if len(set(names)) != len(names) or not all(re.fullmatch("[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?", name) for name in names):
        wrong.append(f"the names are not valid: {names}")
    return {edit["path"] for device in spec["devices"] for edit in device["containerEdits"]["deviceNodes"]}


def read_metrics():
    with open(METRICS, encoding="utf-8") as file:
        text = file.read()
    described = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            described.add(line.split()[2])
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            if not match or re.sub("_(sum|count)$", "", match[1]) not in described:
                wrong.append(f"no sample of a described metric: {line}")


def watch():
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_CLOEXEC)
    folders = {}
    for path in seen:
        folder = os.path.dirname(path)
        folders[libc.inotify_add_watch(fd, folder.encode(), MOVED_TO | DELETE)] = folder

    def changed(*_):
        data = os.read(fd, 65536)
        while data:
            descriptor, _mask, _cookie, length = struct.unpack_from("iIII", data)
            path = os.path.join(folders[descriptor], data[16:16 + length].rstrip(b"\0").decode())
            data = data[16 + length:]
            if path in seen:
                seen[path] += 1
        nodes()
        read_metrics()
        return True
    GLib.io_add_watch(fd, GLib.PRIORITY_HIGH, GLib.IO_IN, changed)


class Daemon:
    """The daemon on the bus, through its deaths."""

    def __init__(self):
        self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        self.context = GLib.MainContext.default()
        self.ended = {}         # job: when JobRemoved came
        self.owner = ""
        self.bus.signal_subscribe(NAME, MANAGER, "JobRemoved", ROOT, None, Gio.DBusSignalFlags.NONE,
                                  lambda *signal: self.ended.update({signal[5].unpack()[1]: time.monotonic()}))
        Gio.bus_watch_name_on_connection(
            self.bus, NAME, Gio.BusNameWatcherFlags.NONE, lambda _bus, _name, owner: setattr(self, "owner", owner),
            lambda *_: setattr(self, "owner", ""))
        self.until(lambda: self.owner, 30)

    def until(self, check, seconds):
        """Handles messages until check() holds; whether it does."""
        alarm = GLib.timeout_add(100, lambda: True)     # so that an iteration ends
        deadline = time.monotonic() + seconds
        while not check() and time.monotonic() < deadline:
            self.context.iteration(True)
        GLib.source_remove(alarm)
        return check()

    def state(self, target):
        path = f"{ROOT}/group/{group_of(target)}"
        try:
            return self.bus.call_sync(NAME, path, "org.freedesktop.DBus.Properties", "Get",
                                      GLib.Variant("(ss)", (NAME + ".Group", "State")), GLib.VariantType("(v)"),
                                      Gio.DBusCallFlags.NONE, 60000).unpack()[0]
        except GLib.Error:      # it has just died, or has not read the machine yet
            return "unknown"

    def change(self, member, target):
        """When the last job ended."""
        jobs = self.bus.call_sync(NAME, ROOT, MANAGER, member, GLib.Variant("(sa{sv})", (target, {})),
                                  GLib.VariantType("(ao)"), Gio.DBusCallFlags.NONE, 60000).unpack()[0]
        expect(self.until(lambda: all(job in self.ended for job in jobs), 60), f"no JobRemoved for {member} of {target}")
        return max(self.ended.get(job, time.monotonic()) for job in jobs)

    def die(self, member, target, after):
        """It is killed so many seconds after a call; waits until another has come and no group is at work."""
        self.bus.call(NAME, ROOT, MANAGER, member, GLib.Variant("(sa{sv})", (target, {})), None, Gio.DBusCallFlags.NONE,
                      60000, None, lambda *_: None)
        self.until(lambda: False, after)
        old = self.owner
        os.kill(int(subprocess.check_output(["pidof", "vfio-bindd"]).split()[-1]), 9)
        expect(self.until(lambda: self.owner not in ("", old), 60), "the daemon did not come back")
        self.ended.clear()      # another daemon begins to count its jobs anew
        expect(self.until(lambda: self.state(target) in ("bound", "native"), 60),
               f"{target} is {self.state(target)} after the daemon's death")


def expect(condition, sentence):
    if not condition:
        wrong.append(sentence)


def group_of(address):
    return os.path.basename(os.readlink(f"/sys/bus/pci/devices/{address}/iommu_group"))


def main():
    count, seed, targets = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    chance = random.Random(seed)
    daemon = Daemon()
    watch()
    ours = {"/dev/vfio/" + group_of(target) for target in targets}
    bound, late = set(), []
    for number in range(count):
        target = chance.choice(targets)
        member = "Release" if target in bound else "Bind"
        killed = chance.random() < KILLS
        if killed:
            daemon.die(member, target, chance.random())
            bound = {target for target in targets if daemon.state(target) == "bound"}
            end = time.monotonic()
        else:
            end = daemon.change(member, target)
            bound ^= {target}
        wanted = {"/dev/vfio/" + group_of(address) for address in bound}
        while nodes() & ours != wanted and time.monotonic() - end < LATEST:
            daemon.context.iteration(False)
        if not killed:
            late.append((time.monotonic() - end) * 1000)
        expect(nodes() & ours == wanted, f"after {member} of {target}{' and a kill' if killed else ''} the spec has "
                                         f"{sorted(nodes() & ours)} and not {sorted(wanted)}")
        print(json.dumps({"round": number, "killed": killed}), flush=True)
    print(json.dumps({"wrong": wrong, "seen": seen, "late": sorted(late), "left": sorted(bound)}), flush=True)


main()
