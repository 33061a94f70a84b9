#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfio-lease.py [--session] TARGET

Has the target's groups with VFIO for as long as this runs, as a desktop
tool would while its virtual machine does: until standard input ends."""

import os
import sys

from gi.repository import Gio, GLib

NAME, ROOT = "org.vfiobind1", "/org/vfiobind1"
MANAGER = "org.vfiobind1.Manager"

arguments = sys.argv[1:]
session = "--session" in arguments
[target] = [word for word in arguments if word != "--session"]
bus = Gio.bus_get_sync(
    Gio.BusType.SESSION if session else Gio.BusType.SYSTEM)
loop = GLib.MainLoop()
ended = {}  # results by job: one can be there before the answer
jobs = []


def job_removed(_bus, _sender, _path, _interface, _signal, words):
    _number, job, _group, result = words.unpack()
    ended[job] = result
    if all(each in ended for each in jobs):
        loop.quit()


bus.signal_subscribe(NAME, MANAGER, "JobRemoved", ROOT, None,
                     Gio.DBusSignalFlags.NONE, job_removed)
try:
    # The flag lets polkit ask the user for a password meanwhile.
    answer, descriptors = bus.call_with_unix_fd_list_sync(
        NAME, ROOT, MANAGER, "Acquire",
        GLib.Variant("(sa{sv})", (target, {
            "what": GLib.Variant("s", "vfio-lease.py")})),
        GLib.VariantType("(hao)"),
        Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION,
        GLib.MAXINT, None, None)
except GLib.Error as error:
    name = Gio.DBusError.get_remote_error(error)
    sys.exit(f"{name}: {error.message}")
handle, jobs = answer.unpack()
lease = descriptors.get(handle)  # the groups are ours while it is open
if not all(each in ended for each in jobs):
    loop.run()
if any(ended[each] != "done" for each in jobs):
    sys.exit("the groups could not be bound")
print("leased", flush=True)
sys.stdin.read()
os.close(lease)
