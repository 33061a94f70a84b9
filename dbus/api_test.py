#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The API is frozen: what other programs rely on must still be there, with the same signature, and described.

Members may be added (then add them here too); a changed or lost one would be org.vfiobind2.
"""

import pathlib
import unittest
import xml.etree.ElementTree as ET

FOLDER = pathlib.Path(__file__).parent
TARGET_CALL = (("target", "s"), ("options", "a{sv}"))
CHECK_REPLY = (("possible", "b"), ("blockers", "a(sss)"), ("steps", "as"))

METHODS = {
    "Manager": {
        "Bind": (TARGET_CALL, (("jobs", "ao"),)),
        "Release": (TARGET_CALL, (("jobs", "ao"),)),
        "Acquire": (TARGET_CALL, (("lease", "h"), ("jobs", "ao"))),
        "Check": (TARGET_CALL, CHECK_REPLY),
        "Reload": ((), ()),
        "Describe": ((), (("json", "s"),)),
        "Resolve": ((("target", "s"),), (("groups", "ao"), ("devices", "ao"))),
    },
    "Group": {
        "Bind": ((("options", "a{sv}"),), (("job", "o"),)),
        "Release": ((("options", "a{sv}"),), (("job", "o"),)),
        "Check": ((("options", "a{sv}"),), CHECK_REPLY),
    },
    "Device": {},
    "Job": {},
}
SIGNALS = {"Manager": {"JobRemoved": (("id", "u"), ("job", "o"), ("group", "o"), ("result", "s"))}}
PROPERTIES = {
    "Manager": {"Version": "s", "Iommu": "s", "NoIommu": "b", "ConfigFiles": "as", "AbsentFiles": "a(ss)", "ConfigError": "s",
                "Rules": "a(ssas)", "Jobs": "ao", "Warnings": "as"},
    "Group": {"Number": "u", "State": "s", "Viable": "b", "Devices": "ao", "Rule": "s", "Driver": "s", "Node": "s",
              "Type": "s", "Blockers": "a(sss)", "Holders": "a(us)", "Leases": "a(ut)", "LastError": "s",
              "Job": "o"},
    "Device": {"Address": "s", "Vendor": "q", "Device": "q", "SubsystemVendor": "q", "SubsystemDevice": "q",
               "Class": "u", "VendorName": "s", "DeviceName": "s", "Driver": "s", "DriverOverride": "s",
               "NativeModules": "as", "Group": "o", "BootVga": "b", "ResetMethods": "as", "NumaNode": "i", "Path": "s",
               "Serial": "s", "VfioDevice": "s", "PhysicalFunction": "o", "VirtualFunctions": "ao"},
    "Job": {"Id": "u", "Kind": "s", "Group": "o", "State": "s", "Steps": "a(ss)", "Started": "t"},
}
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
ASYNC = "org.freedesktop.DBus.Method.Async"


def interface(name):
    """The interface's element, its comments kept as elements."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    root = ET.parse(FOLDER / f"org.vfiobind1.{name}.xml", parser).getroot()
    return root.find("interface")


def arguments(member, direction=None):
    return tuple((arg.get("name"), arg.get("type")) for arg in member.findall("arg")
                 if direction is None or arg.get("direction") == direction)


def annotation(member, name):
    return next((each.get("value") for each in member.findall("annotation") if each.get("name") == name), None)


class Api(unittest.TestCase):
    def test_interfaces_bear_their_files_names(self):
        for name in METHODS:
            self.assertEqual(interface(name).get("name"), f"org.vfiobind1.{name}")

    def test_methods(self):
        for name, methods in METHODS.items():
            found = {each.get("name"): (arguments(each, "in"), arguments(each, "out"))
                     for each in interface(name).findall("method")}
            self.assertEqual(found, methods, name)

    def test_signals(self):
        for name in METHODS:
            found = {each.get("name"): arguments(each) for each in interface(name).findall("signal")}
            self.assertEqual(found, SIGNALS.get(name, {}), name)

    def test_properties_are_readable_and_say_how_they_change(self):
        for name, properties in PROPERTIES.items():
            members = interface(name).findall("property")
            self.assertEqual({each.get("name"): each.get("type") for each in members}, properties, name)
            for each in members:
                self.assertEqual(each.get("access"), "read", each.get("name"))
                self.assertIn(annotation(each, EMITS), ("true", "const"), each.get("name"))

    def test_calls_are_answered_from_the_event_loop(self):
        """The bus is asked who calls, and what takes time is waited for."""
        for name in ("Manager", "Group"):
            for method in interface(name).findall("method"):
                expected = None if method.get("name") == "Resolve" else "server"    # it does not matter who asks
                self.assertEqual(annotation(method, ASYNC), expected, method.get("name"))

    def test_every_member_has_its_text_before_it(self):
        for name in METHODS:
            before = None
            for member in interface(name):
                if member.tag is not ET.Comment:
                    self.assertIs(before.tag, ET.Comment, f"{name}.{member.get('name')}")
                    self.assertTrue(before.text.strip().startswith(member.get("name") + ":"), before.text)
                    for argument in member.findall("arg"):
                        self.assertIn(f"@{argument.get('name')}:", before.text)
                before = member


class Bus(unittest.TestCase):
    def test_only_root_may_own_the_name_and_all_may_send(self):
        policies = ET.parse(FOLDER / "org.vfiobind1.conf").getroot().findall("policy")
        rules = {(policy.get("user"), policy.get("context")): [rule.attrib for rule in policy] for policy in policies}
        self.assertEqual(rules, {("root", None): [{"own": "org.vfiobind1"}],
                                 (None, "default"): [{"send_destination": "org.vfiobind1"}]})

    def test_activation_goes_through_systemd(self):
        lines = (FOLDER / "org.vfiobind1.service").read_text().splitlines()
        self.assertIn("Name=org.vfiobind1", lines)
        self.assertIn("SystemdService=vfio-bind.service", lines)
        self.assertIn("User=root", lines)


if __name__ == "__main__":
    unittest.main()
