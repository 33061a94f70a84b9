#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfio-watch.py [--session] [TARGET]

Prints the groups, devices and jobs of vfio-bindd, and every change as
it comes. With TARGET, also asks for it to be handed to VFIO."""

import json
import sys

from gi.repository import Gio, GLib

NAME, ROOT = "org.vfiobind1", "/org/vfiobind1"


def tell(*words):
    print(*words, flush=True)


def show(_manager, found):
    tell("+", found.get_object_path())


def forget(_manager, lost):
    tell("-", lost.get_object_path())


def changed(_manager, found, _interface, properties, _invalidated):
    for key, value in properties.unpack().items():
        tell("~", found.get_object_path(), key, json.dumps(value))


def answered(bus, result):
    try:
        tell("bind:", *bus.call_finish(result).unpack()[0])
    except GLib.Error as error:
        tell("bind:", Gio.DBusError.get_remote_error(error),
             error.message)


arguments = sys.argv[1:]
session = "--session" in arguments
targets = [word for word in arguments if word != "--session"]
bus = Gio.bus_get_sync(
    Gio.BusType.SESSION if session else Gio.BusType.SYSTEM)
manager = Gio.DBusObjectManagerClient.new_sync(
    bus, Gio.DBusObjectManagerClientFlags.NONE, NAME, ROOT,
    None, None, None)
manager.connect("object-added", show)
manager.connect("object-removed", forget)
manager.connect("interface-proxy-properties-changed", changed)
for each in manager.get_objects():
    show(manager, each)
tell("ready")
for target in targets:
    # The flag lets polkit ask the user for a password meanwhile.
    bus.call(
        NAME, ROOT, "org.vfiobind1.Manager", "Bind",
        GLib.Variant("(sa{sv})", (target, {})),
        GLib.VariantType("(ao)"),
        Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION,
        GLib.MAXINT, None, answered)
GLib.MainLoop().run()
