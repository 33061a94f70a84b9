# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which of several identical cards is meant, and who else is in its group: by serial number, and by `members`."""

import contextlib
import dataclasses
import json
import re

from boots import HOTPLUGGED, HOTPLUGGED_ID, HOTPLUGGED_MODEL, HOTPLUG_PORTS, NIC_MACS, NIC_PORT, ROOT_PORTS, nic
from guest import GROUP, MANAGER, ROOT, expect, sysfs
from scenarios import scenario
from scenarios_boot import PROBE_LOG, rules_at_boot
from scenarios_hotplug import SECOND, binding_log

CHOSEN = (2, 5)     # of the eight
# A bridge more in front of the ports: all buses behind it have other numbers.
ONE_MORE = "pcie-root-port,id=more,bus=pcie.0,addr=02.0,chassis=40,slot=40"


def cards(guest):
    """{number: (serial number, address)} of the eight, as lspci reads them from the configuration space by itself. QEMU makes
    the number of the MAC address with two bytes in its middle (e1000e_gen_dsn() in hw/net/e1000e.c)."""
    found = {}
    for part in guest.out("lspci -D -vv", 60).split("\n\n"):
        serial = re.search(r"Device Serial Number ((?:[0-9a-f]{2}-){7}[0-9a-f]{2})", part)
        if serial:
            pairs = serial.group(1).split("-")
            found[NIC_MACS.index(":".join(pairs[:3] + pairs[5:]))] = (serial.group(1), part.split()[0])
    expect(sorted(found) == list(range(len(NIC_MACS))), f"not each of the eight has a serial number made of its MAC: {found}")
    return found


def chosen_rule(known):
    serials = ", ".join(f'{{ serial = "{known[number][0]}" }}' for number in CHOSEN)
    return f'[[bind]]\nname = "two"\ndevices = [{serials}]\n'


def expect_right_two(guest):
    """The chosen have vfio-pci, the others their own driver, wherever they are."""
    known, drivers = cards(guest), guest.drivers()
    had = {number: drivers[address] for number, (_, address) in known.items()}
    wanted = {number: "vfio-pci" if number in CHOSEN else "e1000e" for number in known}
    expect(had == wanted, f"the cards have {had} at {known}")
    return known


@scenario("two-of-eight-by-serial", boot="nics", seconds=600, named=True)
def two_of_eight(guest):
    """At a reload, after hotplug into another port, and after a boot in which all buses have other numbers."""
    rule = chosen_rule(cards(guest))
    guest.configure(rule)
    # The first rule with such numbers: as the manual says.
    guest.run("udevadm trigger --action=add --subsystem-match=pci && udevadm settle", 120)
    for number in CHOSEN:
        guest.wait_state(cards(guest)[number][1], "bound")
    before = expect_right_two(guest)
    moved = CHOSEN[1]
    address = before[moved][1]
    shown = json.loads(guest.out(f"vfio-bindctl --json show {address}"))
    expect(shown["devices"][0]["serial"] == before[moved][0], f"show tells another serial number: {shown}")

    guest.machine.device_del(f"nic{moved}")
    guest.wait_until(lambda: guest.run(f"test -e {sysfs(address)}", check=False).code != 0, 60, f"{address} to go")
    stream = guest.uevents()
    mark = stream.mark()
    driver, *properties = nic(moved, NIC_PORT).split(",")
    guest.machine.device_add(driver, **dict(word.split("=", 1) for word in properties))
    stream.wait(lambda text: re.search(r"\badd .*/net/|\bbind .*pci", text), 60, mark, "the card")
    guest.run("udevadm settle", 60)
    now = cards(guest)[moved][1]
    expect(now != address, "the card is where it was")
    guest.wait_state(now, "bound")
    expect_right_two(guest)

    # The two change places with others, and a bridge more comes first.
    order = [*CHOSEN, *(number for number in range(len(NIC_MACS)) if number not in CHOSEN)]
    swapped = tuple(nic(number, f"rp{port + 1}") for port, number in enumerate(order))
    with rules_at_boot(guest, rule) as machine:
        machine.boot = dataclasses.replace(machine.boot, devices=(ONE_MORE, *ROOT_PORTS, *swapped))
        machine.reboot(PROBE_LOG)
        after = expect_right_two(guest)
        expect(all(after[number] != before[number] for number in after), f"a card kept its address: {before}, then {after}")
        seen, _ = guest.bindings()
        for number in CHOSEN:
            had = seen.get(after[number][1])
            expect(had == ["vfio-pci"], f"a chosen card had {had} since the kernel started")


@contextlib.contextmanager
def two_functions_plugged_in(guest):
    """One card of two functions, in one group."""
    stream = guest.uevents()
    mark = stream.mark()
    for function in (1, 0):     # the guest is told of the slot with function 0
        guest.machine.device_add(HOTPLUGGED_MODEL, id=f"hp{function}", bus=HOTPLUG_PORTS[0], addr=f"00.{function}",
                                 multifunction=True)
    try:
        for address in (HOTPLUGGED, SECOND):
            stream.wait(lambda text, address=address: re.search(rf"\badd .*{address} ", text), 60, mark, f"{address} to come")
        guest.run("udevadm settle", 60)
        yield
    finally:
        guest.machine.device_del("hp0")
        stream.wait(lambda text: re.search(rf"\bremove .*{HOTPLUGGED} ", text), 60, mark, "remove")


@scenario("member-that-is-not-known-blocks-at-hotplug", seconds=180)
def unknown_member(guest):
    """A card that came alone so far comes with a second function: nothing is bound until the rule knows of it."""
    rule = f'[[bind]]\nname = "card"\ndevices = ["{HOTPLUGGED}"]\nmembers = [{{}}]\n'
    guest.run("modprobe vmxnet3; modprobe -a vfio-pci vfio_iommu_type1", 60)
    guest.configure(rule.format(""))
    with two_functions_plugged_in(guest), binding_log(guest) as since:
        guest.wait_state(HOTPLUGGED, "blocked")
        blockers = guest.get(guest.group_path(HOTPLUGGED), GROUP, "Blockers")
        expect([blocker[0] for blocker in blockers] == ["unexpected-member"], f"the blockers are {blockers}")
        expect(SECOND in blockers[0][2], f"the newcomer is not named: {blockers}")
        drivers = guest.drivers()
        expect("vfio-pci" not in (drivers[HOTPLUGGED], drivers[SECOND]), f"it was bound: {drivers}")
        name, text = guest.refused(ROOT, MANAGER, "Bind", "'card'", "@a{sv} {}")
        expect(name == "Blocked" and "unexpected-member" in text, f"a call is answered {name}: {text}")
        since()
        guest.configure(rule.format(f'"{HOTPLUGGED_ID}"'))
        guest.wait_state(HOTPLUGGED, "bound")
        expect(set(since()) == {HOTPLUGGED, SECOND}, "not both functions were bound when both were known")


@scenario("address-rule-tells-where-its-card-is-now", seconds=180)
def moved_card(guest):
    """The rule names address and id, and the card is in another port today."""
    guest.configure(f'[[bind]]\nname = "card"\ndevices = [{{ address = "{HOTPLUGGED}", id = "{HOTPLUGGED_ID}" }}]\n')
    elsewhere = HOTPLUGGED.replace(":07:", ":08:")
    stream = guest.uevents()
    mark = stream.mark()
    guest.machine.device_add(HOTPLUGGED_MODEL, id="hp", bus=HOTPLUG_PORTS[1])
    try:
        stream.wait(lambda text: re.search(rf"\badd .*{elsewhere} ", text), 60, mark, "the card in the other port")
        guest.run("udevadm settle", 60)
        guest.wait_until(lambda: f"{HOTPLUGGED_ID} is at {elsewhere} now" in str(guest.get(ROOT, MANAGER, "Warnings")), 30,
                         "a word of where the card is")
        expect(guest.driver(elsewhere) != "vfio-pci", "the card was taken where the rule does not name it")
        told = guest.out("vfio-bindctl status", 60)
        expect(f"is at {elsewhere}" in " ".join(told.split()), f"status does not tell it: {told}")
    finally:
        guest.machine.device_del("hp")
        stream.wait(lambda text: re.search(rf"\bremove .*{elsewhere} ", text), 60, mark, "remove")
