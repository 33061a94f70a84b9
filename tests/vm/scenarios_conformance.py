# SPDX-License-Identifier: LGPL-2.1-or-later
"""What anybody may ask of a tool that hands PCI devices to vfio-pci, asked of each in turn (binders.py), by the commands that
people type. Ours must meet all of it. What the others do is written down: `tests/run.sh conformance` makes doc/conformance.md of it.
"""

import contextlib
import json
import os
import pathlib
import re

from binders import BINDERS
from boots import AUDIO, BRIDGE, GPU, HOTPLUGGED, HOTPLUG_PORTS, NIC_A, NVME, TWIN_A, TWIN_B
from channel import CommandFailed
from guest import Failed, expect, sysfs
from scenarios import scenario
from scenarios_guards import block_device, undone
from scenarios_in_use import held

SECONDS = 120                               # in which every command ends; what hangs is a failure
KILLS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)    # seconds from a command's start to its end by force
IDS = ("1234 1111", "8086 2668", "8086 100e", "8086 10d3", "1b36 0010")     # of what is handed over here
ABSENT = "0000:99:00.0"
PORT = "0000:00:0d.0"                       # the last of HOTPLUG_PORTS
RESULTS = "VFIO_BIND_CONFORMANCE"           # a folder for a file of each tool


class Trial:
    """One tool in one guest. Each requirement begins with all functions on their native drivers."""

    def __init__(self, guest, binder):
        self.guest, self.binder, self.native = guest, binder, guest.pristine

    def bind(self, *addresses):
        return self._ended(self.guest.run(self.binder.bind(addresses), SECONDS, check=False))

    def release(self, *addresses):
        expect(self.binder.release, "there is no command that gives a function back")
        return self._ended(self.guest.run(self.binder.release(addresses, self.native), SECONDS, check=False))

    def must_bind(self, *addresses):
        said = self.bind(*addresses)
        self.guest.run("udevadm settle", SECONDS)
        now = self.guest.drivers()
        for address in addresses:
            expect(now[address] == "vfio-pci", f"{address} is on '{now[address]}' after the bind ({self.words_of(said)})")

    def members(self, address):
        """The endpoints of its group."""
        names = self.guest.out(f"ls {sysfs(address, 'iommu_group/devices')}").split()
        return [name for name in names if name != BRIDGE]

    def whole(self, address):
        """The group is handed over, or all is as it was."""
        said = self.bind(address)
        self.guest.run("udevadm settle", SECONDS)
        now = self.guest.drivers()
        left = [f"{a} on '{now[a]}'" for a in self.members(address) if now[a] != "vfio-pci"]
        if said.code != 0 and now == self.native:
            return
        expect(not left, f"after the bind of {address}, of its group stayed {', '.join(left)}")
        expect(self.guest.viable(address) == "viable", f"after the bind of {address} its group is not viable")

    def refuses(self, address, why):
        said = self.bind(address)
        now = self.guest.driver(address)
        expect(now == self.native.get(address, "(no such device)"), f"{address} was taken, though {why}")
        expect(said.code != 0, f"{address} was not taken, for {why}, and the exit code is 0 all the same")
        return said

    @staticmethod
    def _ended(said):
        expect(not said.timed_out, f"the command did not end in {SECONDS} s")
        return said

    @staticmethod
    def words_of(said):
        lines = (said.stderr or said.stdout).strip().splitlines()
        return f"exit code {said.code}" + (f": {lines[-1]}" if lines else "")

    def set_back(self):
        """By hand, whatever the tool has left."""
        steps = [f"echo {ids} > /sys/bus/pci/drivers/vfio-pci/remove_id" for ids in IDS]
        now = self.guest.drivers()
        for address, driver in self.native.items():
            steps.append(f"echo > {sysfs(address, 'driver_override')}")
            if now.get(address) != driver:
                steps += [f"echo {address} > {sysfs(address, 'driver/unbind')}",
                          f"echo {address} > /sys/bus/pci/drivers/{driver}/bind"]
        self.guest.run(f"{{ {'; '.join(steps)}; }} 2> /dev/null; udevadm settle", SECONDS, check=False)
        left = {a: d for a, d in self.guest.drivers().items() if d != self.native.get(a)}
        if left:
            raise CommandFailed(f"the guest did not come back to its first state: {left}")


# --- the requirements, in the order of the table: a function's docstring is its row ---

def whole_card(trial):
    """A card of two functions in one group is handed over whole, or not at all"""
    trial.whole(GPU)


def whole_bus(trial):
    """So are two cards behind a conventional PCI bridge"""
    trial.whole(NIC_A)


def twins(trial):
    """Of two identical cards the other one stays with its driver, and so does a third that is plugged in later"""
    trial.must_bind(TWIN_A)
    guest = trial.guest
    expect(guest.driver(TWIN_B) == "e1000e", f"the twin is on '{guest.driver(TWIN_B)}'")
    stream, mark = guest.uevents(), guest.uevents().mark()
    guest.machine.device_add("e1000e", id="third", bus=HOTPLUG_PORTS[0])
    try:
        stream.wait(lambda text: re.search(rf"\bbind .*{HOTPLUGGED} ", text), 60, mark, "a driver for the third card")
        expect(guest.driver(HOTPLUGGED) == "e1000e", f"a third card that was plugged in went to '{guest.driver(HOTPLUGGED)}'")
    finally:
        guest.machine.device_del("third")
        stream.wait(lambda text: re.search(rf"\bremove .*{HOTPLUGGED} ", text), 60, mark, "the third card's removal")


def way_back(trial):
    """What is given back is with its native driver, and no override and no dynamic id is left"""
    trial.must_bind(TWIN_A)
    trial.release(TWIN_A)
    guest = trial.guest
    guest.run("udevadm settle", SECONDS)
    expect(guest.driver(TWIN_A) == "e1000e", f"it is on '{guest.driver(TWIN_A)}' after the release")
    expect(guest.override(TWIN_A) == "", f"its driver_override is still '{guest.override(TWIN_A)}'")
    kept = guest.run("echo 8086 10d3 > /sys/bus/pci/drivers/vfio-pci/remove_id", check=False)
    expect(kept.code != 0, "vfio-pci has still a dynamic id of it")


def driver_comes_late(trial):
    """A native driver that is loaded later does not get it"""
    guest = trial.guest
    with undone(guest, "modprobe e1000e"):
        guest.run("modprobe -r e1000e", SECONDS)
        trial.must_bind(TWIN_A)
        guest.run("modprobe e1000e && udevadm trigger --action=add --subsystem-match=pci && udevadm settle", SECONDS)
        expect(guest.driver(TWIN_A) == "vfio-pci", f"it is on '{guest.driver(TWIN_A)}' after its module was loaded")
        expect(guest.driver(TWIN_B) == "e1000e", f"its twin is on '{guest.driver(TWIN_B)}' after the module was loaded")


def mounted(trial):
    """A disk with a mounted file system is not taken"""
    guest = trial.guest
    disk = f"/dev/{block_device(guest, NVME)}"
    with undone(guest, "umount -l /mnt"):
        guest.run(f"mkfs.ext4 -q -F {disk} && mount {disk} /mnt && echo there > /mnt/file && sync", SECONDS)
        trial.refuses(NVME, f"{disk} is mounted")
        expect(guest.out("cat /mnt/file") == "there", "what was written to it is no longer there")


def opened(trial):
    """A disk that a program has open is not taken"""
    disk = f"/dev/{block_device(trial.guest, NVME)}"
    with held(trial.guest, disk, 0):
        trial.refuses(NVME, f"a program has {disk} open")


def given_to_a_vm(trial):
    """What a VM has is not given back under it; the command says so and ends"""
    guest = trial.guest
    trial.must_bind(TWIN_A)
    vm = guest.machine.start_stream(f"vfio-probe hold {guest.group(TWIN_A)} {TWIN_A}")
    try:
        vm.wait(lambda text: text == "holding", 30, what="'holding'")
        said = trial.release(TWIN_A)
        expect(guest.driver(TWIN_A) == "vfio-pci", f"it went to '{guest.driver(TWIN_A)}'")
        expect(said.code != 0, "it was not given back, and the exit code is 0 all the same")
    finally:
        vm.stop()       # and what has hung until now goes on
        guest.run("udevadm settle", SECONDS)


def killed(trial):
    """Killed at any moment, the same commands again hand the group over whole, and give it back whole"""
    guest = trial.guest
    members = trial.members(GPU)
    for seconds in KILLS:
        guest.put("/run/killed.sh", trial.binder.bind((GPU,)))
        end = f"pkill -KILL '{trial.binder.processes}'; " if trial.binder.processes else ""
        guest.run(f"timeout --signal=KILL {seconds} sh /run/killed.sh; {end}true", SECONDS)
        trial.must_bind(*members)
        trial.release(*members)
        guest.run("udevadm settle", SECONDS)
        now = guest.drivers()
        wrong = [f"{a} is on '{now[a]}'" for a in members if now[a] != trial.native[a]]
        expect(not wrong, f"killed after {seconds * 1000:.0f} ms, bound and released: {', '.join(wrong)}")


def at_once(trial):
    """Asked for both functions of a card at the same time, it hands over both"""
    guest = trial.guest
    for name, address in (("first", GPU), ("second", AUDIO)):
        guest.put(f"/run/{name}.sh", trial.binder.bind((address,)))
    guest.run("sh /run/first.sh & sh /run/second.sh; wait", SECONDS)
    guest.run("udevadm settle", SECONDS)
    now = guest.drivers()
    wrong = [f"{a} is on '{now[a]}'" for a in (GPU, AUDIO) if now[a] != "vfio-pci"]
    expect(not wrong, ", ".join(wrong))


def absent(trial):
    """An address that is not there is refused, and named"""
    said = trial.bind(ABSENT)
    expect(said.code != 0, "the exit code is 0")
    told = said.stdout + said.stderr
    expect(re.search("0*99[:_]00[._]0", told), f"what it says does not name it: {told.strip()[-200:] or '(nothing)'}")


def port(trial):
    """A port that leads to other cards is refused, and stays with its driver"""
    trial.refuses(PORT, "it is a port")


REQUIREMENTS = (whole_card, whole_bus, twins, way_back, driver_comes_late, mounted, opened, given_to_a_vm, killed, at_once, absent,
                port)


def tried(trial):
    """Each requirement, and why it is not met; '' for met."""
    found = {}
    for requirement in REQUIREMENTS:
        trial.set_back()
        why = ""
        try:
            requirement(trial)
        except Failed as error:
            why = str(error)
        found[requirement.__doc__] = why
        print(f"note: {trial.binder.name}: {requirement.__name__}: {why or 'met'}", flush=True)
    trial.set_back()
    return found


def conformance(guest, binder):
    ours = BINDERS[0]
    guest.run(f"modprobe -a vfio-pci vfio_iommu_type1; {ours.after}; ln -sf /dev/null /etc/udev/rules.d/89-vfio-uio.rules; "
              "udevadm control --reload", SECONDS)
    version = guest.out(binder.version)
    with undone(guest, binder.after) if binder.after else contextlib.nullcontext():
        guest.run(binder.before or "true", SECONDS)
        found = tried(Trial(guest, binder))
    if folder := os.environ.get(RESULTS):
        kernel = guest.out("uname -r")
        pathlib.Path(folder, f"{BINDERS.index(binder)}.json").write_text(
            json.dumps({"name": binder.name, "version": version, "kernel": kernel, "remark": binder.remark, "found": found}), encoding="utf-8")
    missed = [f"{what}: {why}" for what, why in found.items() if why]
    expect(binder is not ours or not missed, "; ".join(missed))


def register(name, binder):
    scenario(name, boot="binders", named=True, fresh=True, seconds=1200)(lambda guest: conformance(guest, binder))


for each_binder in BINDERS:
    register("conformance-" + re.sub("[^a-z]+", "-", each_binder.name.lower()), each_binder)
