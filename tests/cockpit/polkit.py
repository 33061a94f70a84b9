# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit's part of the talk: `polkit.py no` forbids all, `polkit.py challenge` allows what a user may be asked a password for."""

import sys

from gi.repository import Gio, GLib

INTERFACE = """<node><interface name="org.freedesktop.PolicyKit1.Authority">
  <method name="CheckAuthorization">
    <arg type="(sa{sv})" direction="in"/><arg type="s" direction="in"/><arg type="a{ss}" direction="in"/>
    <arg type="u" direction="in"/><arg type="s" direction="in"/><arg type="(bba{ss})" direction="out"/>
  </method>
</interface></node>"""
MAY_ASK = 1


def call(_connection, _sender, _path, _interface, _method, parameters, invocation):
    flags = parameters.unpack()[3]
    may = sys.argv[1] == "challenge"
    invocation.return_value(GLib.Variant("((bba{ss}))", ((may and bool(flags & MAY_ASK), may, {}),)))


def acquired(connection, _name):
    interface = Gio.DBusNodeInfo.new_for_xml(INTERFACE).interfaces[0]
    connection.register_object("/org/freedesktop/PolicyKit1/Authority", interface, call, None, None)


Gio.bus_own_name(Gio.BusType.SYSTEM, "org.freedesktop.PolicyKit1", Gio.BusNameOwnerFlags.NONE, acquired,
                 lambda *_: print("ready", flush=True), lambda *_: sys.exit("the name is taken"))
GLib.MainLoop().run()
