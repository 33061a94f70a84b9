# SPDX-License-Identifier: LGPL-2.1-or-later
"""A rule with sriov-vfs makes the virtual functions, and no native driver ever has them."""

from boots import NVME
from guest import GROUP, Failed, expect, sysfs
from scenarios import scenario
from scenarios_hotplug import binding_log

VFS = [NVME[:-1] + str(number) for number in range(1, 5)]


def rule(count):
    return f'[[bind]]\nname = "vfs"\ndevices = ["{NVME}"]\nsriov-vfs = {count}\n'


def numvfs(guest):
    return int(guest.out(f"cat {sysfs(NVME, 'sriov_numvfs')}"))


def autoprobe(guest):
    return guest.out(f"cat {sysfs(NVME, 'sriov_drivers_autoprobe')}")


def take_away(guest):
    guest.run(f"echo 0 > {sysfs(NVME, 'sriov_numvfs')}", 60, check=False)


def wait_bound(guest, count):
    for vf in VFS[:count]:
        guest.wait_until(lambda vf=vf: guest.run(f"test -e {sysfs(vf, 'iommu_group')}", check=False).code == 0, 60,
                         f"{vf} to come")
        guest.wait_state(vf, "bound", 60)


# case 26
@scenario("sriov-vfs-are-made", seconds=240)
def made(guest):
    before = guest.drivers()
    expect(numvfs(guest) == 0 and autoprobe(guest) == "1", "the rig's NVMe is not as it was at the start")
    guest.uevents()
    with binding_log(guest) as since:
        try:
            guest.configure(rule(4))
            wait_bound(guest, 4)
            guest.run("udevadm settle", 60)
            had = since()
            wrong = {vf: had.get(vf) for vf in VFS if had.get(vf) != ["vfio-pci"]}
            expect(not wrong, f"the VFs were bound to {wrong}")
            expect(NVME not in had, f"the PF was bound anew, to {had.get(NVME)}")
            guest.expect_drivers(dict.fromkeys(VFS, "vfio-pci"), before)
            expect(autoprobe(guest) == "1", "sriov_drivers_autoprobe was not restored")
            guest.run("test -z \"$(ls /run/vfio-bind/sriov)\"")

            with guest.no_kernel_writes("a restart with all VFs made"):    # case 39
                guest.systemctl("restart")
            guest.configure(rule(2))
            error = guest.get(guest.group_path(NVME), GROUP, "LastError")
            guest.wait_until(lambda: "has 4 virtual functions, and rule vfs wants 2"
                             in guest.get(guest.group_path(NVME), GROUP, "LastError"), 30, f"the refusal (it is '{error}')")
            expect(numvfs(guest) == 4, "VFs were taken away")
        finally:
            guest.configure("")
            take_away(guest)
    guest.expect_drivers({}, before)


@scenario("sriov-vfs-are-made-when-asked-for", seconds=240)
def asked(guest):
    guest.configure(rule(2) + 'when = "asked"\ngive-back = "never"\n')
    expect(numvfs(guest) == 0, "VFs are made that nobody has asked for")
    with binding_log(guest) as since:
        try:
            said = guest.run("vfio-bindctl run vfs -- sh -c 'echo $VFIO_BIND_DEVICES'", 90)
            expect(said.stdout.split() == VFS[:2], f"the command has {said.stdout}")
            guest.run("udevadm settle", 60)
            had = since()
            wrong = {vf: had.get(vf) for vf in VFS[:2] if had.get(vf) != ["vfio-pci"]}
            expect(not wrong, f"the VFs were bound to {wrong}")
            expect(numvfs(guest) == 2 and autoprobe(guest) == "1", "the VFs have not stayed, or autoprobe has")
        finally:
            guest.configure("")
            take_away(guest)


@scenario("sriov-vfs-that-cannot-be", seconds=120)
def cannot(guest):
    """More than the device has, and a write that fails: told, and nothing is left behind."""
    guest.configure(rule(9))
    guest.wait_until(lambda: "can have at most 8 virtual functions" in guest.get(guest.group_path(NVME), GROUP, "LastError"),
                     30, "the refusal of 9 VFs")
    with guest.tampered_writes(sysfs(NVME, "sriov_numvfs"), "error=EIO:when=1"):
        try:
            guest.configure(rule(4))
            guest.wait_until(lambda: "sriov_numvfs: EIO" in guest.get(guest.group_path(NVME), GROUP, "LastError"), 60,
                             "the failed write to be told")
        finally:
            guest.configure("")
    expect(numvfs(guest) == 0, "VFs were made after all")
    if autoprobe(guest) != "1":
        raise Failed("sriov_drivers_autoprobe was not restored")


@scenario("sriov-vfs-at-boot", boot="boots", seconds=400)
def at_boot(guest):
    """The PF's driver comes with udev; its VFs are the daemon's to make."""
    guest.put("/etc/vfio-bind.toml", rule(4))
    guest.machine.reboot()
    try:
        wait_bound(guest, 4)
        expect(guest.driver(NVME) == "nvme" and autoprobe(guest) == "1", "the PF is not as it should be")
    finally:
        guest.configure("")
        take_away(guest)
