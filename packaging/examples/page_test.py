#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.vfiobind1(5) has the whole API, and its examples are the files in this folder, which the bus tests run.

With --write it takes the examples over into the page.
"""

import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent / "man/org.vfiobind1.5"
DBUS = HERE.parent.parent / "dbus"
EXAMPLES = ("vfio-bind-target.cpp", "vfio-watch.py", "vfio-lease.py")
ROFF = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def roff(text):
    """A file's text as it stands in a literal display."""
    lines = ("".join(ROFF.get(letter, letter) for letter in line) for line in text.splitlines())
    return "".join(f"{chr(92)}&{line}\n" if line.startswith(".") else f"{line}\n" for line in lines)


def display(name):
    """The part of the page between the marks of an example: begin and end are in the first and last group."""
    return re.compile(rf'(\.\\" begin {re.escape(name)}\n\.Bd -literal\n)(.*?)(\.Ed\n\.\\" end\n)', re.S)


def take_over():
    page = PAGE.read_text()
    for name in EXAMPLES:
        text = roff((HERE / name).read_text())
        page = display(name).sub(lambda found, text=text: found[1] + text + found[3], page)
    PAGE.write_text(page)


def arguments(member, direction=None):
    return ", ".join(f"{each.get('type')} {each.get('name')}" for each in member.findall("arg")
                     if direction is None or each.get("direction") == direction)


def entry(member):
    """The line of the page that begins a member's description."""
    name = member.get("name")
    if member.tag == "property":
        return f".It Sy {name} Li {member.get('type')}"
    if member.tag == "signal":
        return f".It Sy {name} Li ({arguments(member)})"
    answer = arguments(member, "out")
    return f".It Sy {name} Li ({arguments(member, 'in')})" + (rf" \-> {answer}" if answer else "")


class Page(unittest.TestCase):
    maxDiff = None

    def test_the_examples_are_the_files(self):
        for name in EXAMPLES:
            found = display(name).search(PAGE.read_text())
            self.assertIsNotNone(found, f"the page has no place for {name}")
            self.assertEqual(found[2], roff((HERE / name).read_text()), "run packaging/examples/page_test.py --write")

    def test_the_examples_fit_on_a_terminal(self):
        for name in EXAMPLES:
            for line in (HERE / name).read_text().splitlines():
                self.assertLessEqual(len(line), 72, f"{name}: {line}")

    def test_every_member_is_described_and_no_other(self):
        sections = dict(re.findall(r"^\.Ss (org\.vfiobind1\.\w+)\n(.*?)(?=^\.S[sh] )", PAGE.read_text(), re.M | re.S))
        for file in sorted(DBUS.glob("org.vfiobind1.*.xml")):
            interface = ET.parse(file).getroot().find("interface")
            wanted = [entry(each) for each in interface if each.tag in ("method", "signal", "property")]
            found = re.findall(r"^\.It Sy .*", sections.pop(interface.get("name")), re.M)
            self.assertEqual(sorted(found), sorted(wanted), file.name)
        self.assertEqual(sections, {}, "sections of interfaces that are not there")

    def test_every_action_of_polkit_is_described_and_no_other(self):
        actions = {each.get("id") for each in ET.parse(DBUS / "org.vfiobind1.policy").getroot().findall("action")}
        section = re.search(r"^\.Ss Authorisation\n(.*?)^\.S[hs] ", PAGE.read_text(), re.M | re.S)[1]
        self.assertEqual(set(re.findall(r"^\.It Li (org\.vfiobind1\.\S+)", section, re.M)), actions)

    def test_every_error_is_described_and_no_other(self):
        source = (DBUS.parent / "daemon/api_error.cpp").read_text()
        section = re.search(r"^\.Ss Errors\n(.*?)^\.S[hs] ", PAGE.read_text(), re.M | re.S)[1]
        self.assertEqual(set(re.findall(r"^\.It Li (\w+)$", section, re.M)),
                         set(re.findall(r'"org\.vfiobind1\.Error\.(\w+)"', source)))


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        take_over()
    else:
        unittest.main()
