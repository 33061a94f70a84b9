# SPDX-License-Identifier: LGPL-2.1-or-later
"""One policy for many hosts: files for some of them, in the initramfs too, and the word that makes every part stand back."""

import contextlib

import image
from boots import NVME, SCREEN, TWIN_A, TWIN_B
from guest import CONFIG, MANAGER, ROOT, expect
from scenarios import scenario
from scenarios_boot import PROBE_LOG, expect_bound_in_initramfs, rules_at_boot

DROP_INS = "/etc/vfio-bind.d"
HERE = f'[match]\nhost = "guest"\n[[bind]]\nname = "disk"\ndevices = ["{NVME}"]\n'
THERE = f'[match]\nhost = ["node*", "gues"]\n[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n'
ALSO_HERE = f'[match]\nhost = ["node*", "gu?st"]\n[[bind]]\nname = "other-nic"\ndevices = ["{TWIN_B}"]\n'
FILES = {"10-here.toml": HERE, "20-there.toml": THERE, "30-also.toml": ALSO_HERE}


@contextlib.contextmanager
def drop_ins(guest, files):
    guest.run(f"mkdir -p {DROP_INS}")
    for name, text in files.items():
        guest.put(f"{DROP_INS}/{name}", text)
    try:
        yield
    finally:
        guest.run("rm -f " + " ".join(f"{DROP_INS}/{name}" for name in files))


@scenario("match-by-host-in-the-initramfs", boot="boots", seconds=700, named=True)
def in_initramfs(guest):
    """The image of one host has the files of all; what is for this one is bound there, before any native driver."""
    made = image.initrd_with(guest.machine.image, guest.package, "", ["nvme", "e1000e"], drop_ins=FILES)
    with drop_ins(guest, FILES), rules_at_boot(guest, "", made) as machine:
        machine.reboot(PROBE_LOG)
        seen, _ = guest.bindings()
        had = {address: seen.get(address) for address in (NVME, TWIN_A, TWIN_B)}
        expect(had == {NVME: ["vfio-pci"], TWIN_A: ["e1000e"], TWIN_B: ["vfio-pci"]}, f"drivers since the kernel started: {had}")
        expect_bound_in_initramfs(guest)
        absent = guest.get(ROOT, MANAGER, "AbsentFiles")
        expect(absent == [[f"{DROP_INS}/20-there.toml", 'it is for host "node*" or "gues", and this is "guest"']],
               f"AbsentFiles is {absent}")
        told = " ".join(guest.out("vfio-bindctl status", 60).split())
        expect("20-there.toml counts as absent" in told, f"status does not tell of the file for others: {told}")


@scenario("off-leaves-the-boot-display-alone", boot="used", seconds=600, named=True)
def off(guest):
    """A rule takes the boot display; a machine whose screen stays dark is started once more with vfio_bind=off."""
    rule = f'[[bind]]\nname = "screen"\ndevices = ["{SCREEN}"]\nallow = ["boot-display", "console", "display-in-use"]\n'
    guest.configure(rule)
    guest.wait_state(SCREEN, "bound")       # so the rule would take it
    boot = guest.machine.boot
    try:
        guest.machine.reboot(f"{boot.cmdline} vfio_bind=off")
        guest.expect_drivers({}, guest.pristine)
        told = " ".join(guest.out("vfio-bindctl status", 60).split())
        for word in ("0 rules in force", "no rule is in force: the kernel command line says vfio_bind=off", "No group is bound"):
            expect(word in told, f"status does not say '{word}': {told}")
    finally:
        guest.machine.boot = boot
        guest.put(CONFIG, "")
