# SPDX-License-Identifier: LGPL-2.1-or-later
"""The D-Bus API as common tools show it, and as a client made with GDBus sees it."""

import json
import pathlib
import re
import xml.etree.ElementTree as ET

import boots
from boots import AUDIO, GPU
from guest import DEVICE, GROUP, MANAGER, NAME, ROOT, device_path, expect
from scenarios import scenario

TOP = pathlib.Path(__file__).resolve().parents[2]
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
FLAGS = {"const": "const", "emits-change": "true"}      # busctl's words for it
EXAMPLE = "/usr/local/lib/vfio-watch.py"


def members(interface):
    """{(kind, name): what there is to say about it} of an interface's element."""
    found = {}
    for each in interface:
        if each.tag == "property":
            emits = each.find(f"annotation[@name='{EMITS}']")
            found["property", each.get("name")] = (each.get("type"), each.get("access"),
                                                   "true" if emits is None else emits.get("value"))
        elif each.tag in ("method", "signal"):
            types = {"in": "", "out": ""}
            for argument in each.findall("arg"):
                types[argument.get("direction") or ("in" if each.tag == "method" else "out")] += argument.get("type")
            found[each.tag, each.get("name")] = (types["in"], types["out"])
    return found


def wanted(interface):
    return members(ET.parse(TOP / f"dbus/{interface}.xml").getroot().find("interface"))


def in_table(text, interface):
    """What the table of `busctl introspect` says, in the form of members()."""
    found, current = {}, ""
    for line in text.splitlines():
        words = line.split()
        if words[1:2] == ["interface"]:
            current = words[0]
        elif current == interface and words[0].startswith("."):
            name, kind, signature = words[0][1:], words[1], words[2].replace("-", "")
            if kind == "property":
                found[kind, name] = (signature, "read", FLAGS.get(words[-1], words[-1]))
            elif kind == "method":
                found[kind, name] = (signature, words[3].replace("-", ""))
            else:
                found[kind, name] = ("", signature)
    return found


def expect_same(tool, interface, found):
    should = wanted(interface)
    wrong = [f"{' '.join(key)}: {found.get(key)} instead of {should.get(key)}"
             for key in sorted(found.keys() | should.keys()) if found.get(key) != should.get(key)]
    expect(not wrong, f"{tool} shows another {interface} than the XML: {'; '.join(wrong)}")


@scenario("api-is-shown-by-busctl-and-gdbus")
def shown(guest):
    for path, interface in ((ROOT, MANAGER), (guest.group_path(GPU), GROUP), (device_path(GPU), DEVICE)):
        expect_same("busctl introspect", interface, in_table(guest.out(f"busctl introspect {NAME} {path}"), interface))
        for tool, command in (("busctl --xml-interface", f"busctl --xml-interface introspect {NAME} {path}"),
                              ("gdbus introspect", f"gdbus introspect --system --dest {NAME} --object-path {path} --xml")):
            elements = ET.fromstring(guest.out(command)).findall(f"interface[@name='{interface}']")
            expect(len(elements) == 1, f"{tool} of {path} shows {interface} {len(elements)} times")
            expect_same(tool, interface, members(elements[0]))
    paths = set(guest.out(f"busctl --list tree {NAME}").split())
    below = {path for path in paths if re.search(r"/(group|device|job)/", path)}
    expect(ROOT in paths and below == guest.objects().keys(),
           f"busctl tree and GetManagedObjects differ in {below ^ guest.objects().keys()}")


def watch(guest, *arguments):
    """The example of org.vfiobind1(5), as a user who is nobody."""
    guest.put(EXAMPLE, (TOP / "packaging/examples/vfio-watch.py").read_text(encoding="utf-8"), 0o755)
    stream = guest.machine.start_stream(" ".join(["runuser -u nobody --", EXAMPLE, *arguments]))
    stream.wait(lambda text: text == "ready", 60, what="'ready'")
    return stream


def plug(guest):
    guest.machine.device_add(boots.HOTPLUGGED_MODEL, id="hp", bus=boots.HOTPLUG_PORTS[0])


@scenario("api-gdbus-client-sees-hotplug", seconds=150)
def hotplug(guest):
    stream = watch(guest)
    path = device_path(boots.HOTPLUGGED)
    try:
        there = {text[2:] for _, text in stream.lines if text.startswith("+ ")}
        expect(there == guest.objects().keys(), f"the client's objects differ: {there ^ guest.objects().keys()}")
        for number in (1, 2):
            mark = stream.mark()
            plug(guest)
            try:
                stream.wait(lambda text: text == f"+ {path}", 60, mark, f"round {number}: the device's object")
                group = guest.group_path(boots.HOTPLUGGED)
                stream.wait(lambda text, group=group: text == f"+ {group}", 60, mark, f"round {number}: the group's object")
            finally:
                guest.machine.device_del("hp")
            for gone in (path, group):
                stream.wait(lambda text, gone=gone: text == f"- {gone}", 60, mark, f"round {number}: {gone} to go")
    finally:
        stream.stop()


def told(lines):
    """The values that each property took, by object and name: as the example prints them."""
    values = {}
    for line in lines:
        if line.startswith("~ "):
            _, path, name, value = line.split(" ", 3)
            values.setdefault((path, name), []).append(json.loads(value))
    return values


def emitted(messages):
    """The same of the signals on the bus. The root is no object of its own ObjectManager."""
    values = {}
    for message in messages:
        if message.get("member") == "PropertiesChanged" and message["path"] != ROOT:
            for name, value in message["payload"]["data"][1].items():
                values.setdefault((message["path"], name), []).append(value["data"])
    return values


def before(items, last):
    """Those before the first that is the last; all where there is none."""
    return items[:next((number for number, item in enumerate(items) if last(item)), len(items))]


@scenario("api-gdbus-client-hears-every-change", seconds=150)
def changes(guest):
    """The device that is plugged in after the bind ends what is compared: signals come in order."""
    stream = watch(guest)
    path = device_path(boots.HOTPLUGGED)
    try:
        mark, signal_mark = stream.mark(), guest.signals().mark()
        guest.done("Bind", GPU)
        plug(guest)
        try:
            stream.wait(lambda text: text == f"+ {path}", 60, mark, "the device's object")
            guest.wait_signal(signal_mark, lambda m: m["member"] == "InterfacesAdded" and m["payload"]["data"][0] == path, 60,
                              "the device's object on the bus")
        finally:
            guest.machine.device_del("hp")
        heard = told(before([text for _, text in stream.lines[mark:]], lambda text: text == f"+ {path}"))
        messages = [json.loads(text) for _, text in guest.signals().lines[signal_mark:] if text.startswith("{")]
        sent = emitted(before(messages, lambda m: m["member"] == "InterfacesAdded" and m["payload"]["data"][0] == path))
        wrong = [f"{' '.join(key)}: {heard.get(key)} instead of {sent.get(key)}"
                 for key in sorted(heard.keys() | sent.keys()) if heard.get(key) != sent.get(key)]
        expect(not wrong, f"the client heard otherwise than the bus: {'; '.join(wrong)}")
        states = heard.get((guest.group_path(GPU), "State"))
        expect(states == ["binding", "bound"], f"the group's states were {states}")
        for address in (GPU, AUDIO):
            drivers = heard.get((device_path(address), "Driver"), [])
            expect(drivers[-1:] == ["vfio-pci"], f"the drivers of {address} were {drivers}")
    finally:
        stream.stop()
