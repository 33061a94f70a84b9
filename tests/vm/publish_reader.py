# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: publish_reader.py COUNT SEED TARGET...

Binds and releases targets at random, waits for each job, and meanwhile reads the CDI spec and the metrics at every change
of their folders. Prints a JSON object: what was wrong, how often each file came, and how many milliseconds after JobRemoved the
spec was true.
"""

import ctypes
import json
import os
import random
import re
import struct
import sys
import time

from gi.repository import Gio, GLib

NAME, ROOT = "org.vfiobind1", "/org/vfiobind1"
MANAGER = "org.vfiobind1.Manager"
SPEC, METRICS = "/run/cdi/vfio-bind.json", "/run/vfio-bind/metrics.prom"
MOVED_TO, DELETE = 0x80, 0x200
SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+')
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


def main():
    count, seed, targets = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    chance = random.Random(seed)
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    ended = {}
    bus.signal_subscribe(NAME, MANAGER, "JobRemoved", ROOT, None, Gio.DBusSignalFlags.NONE,
                         lambda *signal: ended.update({signal[5].unpack()[1]: time.monotonic()}))
    watch()
    context = GLib.MainContext.default()
    bound, late = set(), []
    for _ in range(count):
        target = chance.choice(targets)
        member = "Release" if target in bound else "Bind"
        jobs = bus.call_sync(NAME, ROOT, MANAGER, member, GLib.Variant("(sa{sv})", (target, {})),
                             GLib.VariantType("(ao)"), Gio.DBusCallFlags.NONE, 60000).unpack()[0]
        bound ^= {target}
        while not all(job in ended for job in jobs):
            context.iteration(True)
        end = max(ended[job] for job in jobs)
        wanted = {"/dev/vfio/" + os.path.basename(os.readlink(f"/sys/bus/pci/devices/{address}/iommu_group"))
                  for address in bound}
        while nodes() != wanted and time.monotonic() - end < LATEST:
            context.iteration(False)
        late.append((time.monotonic() - end) * 1000)
        if nodes() != wanted:
            wrong.append(f"after {member} of {target} the spec has {sorted(nodes())} and not {sorted(wanted)}")
    print(json.dumps({"wrong": wrong, "seen": seen, "late": sorted(late), "left": sorted(bound)}))


main()
