# SPDX-License-Identifier: LGPL-2.1-or-later
"""At boot the native driver never gets the device.

The proof is the kernel's own log of the driver core since it started: with dynamic debug on drivers/base/dd.c it
has a line for every device that a driver was bound to, whoever caused it.
"""

import re

import image
from boots import AUDIO, GPU, NVME, TWIN_A, TWIN_B
from guest import CONFIG, expect
from scenarios import scenario

PROBE_LOG = 'intel_iommu=on log_buf_len=8M dyndbg="file drivers/base/dd.c +p"'
NEVER_NATIVE = {GPU: "vfio-pci", AUDIO: "vfio-pci", TWIN_A: "vfio-pci", NVME: "vfio-pci"}
RULES = f'''[[bind]]
name = "guest-gpu"
devices = ["{GPU}"]
node = {{ group = "kvm", mode = "0660" }}
[[bind]]
name = "nic"
devices = ["{TWIN_A}"]
[[bind]]
name = "disk"
devices = ["1b36:0010"]
'''


def bindings(guest):
    """Every device and the drivers that it was bound to since the kernel started, in order."""
    found = {}
    for driver, address in re.findall(r"driver: '([^']+)': driver_bound: bound to device '([0-9a-f:.]+)'",
                                      guest.out("dmesg", 60)):
        found.setdefault(address, []).append(driver)
    return found


def expect_never_native(guest):
    guest.expect_drivers(NEVER_NATIVE, guest.pristine)
    seen = bindings(guest)
    expect(seen.get(TWIN_B) == ["e1000e"], f"the log of bindings is not to be trusted: {TWIN_B} had {seen.get(TWIN_B)}")
    wrong = {address: seen.get(address) for address in NEVER_NATIVE if seen.get(address) != ["vfio-pci"]}
    expect(not wrong, f"drivers since the kernel started: {wrong}")
    active = guest.out("systemctl is-active vfio-bind-early.service || true")
    expect(active == "active", f"vfio-bind-early.service is {active}")
    for address in (GPU, TWIN_A, NVME):
        expect(guest.state(address) == "bound", f"the daemon says that the group of {address} is '{guest.state(address)}'")


# case 20, 44
@scenario("cold-boot-never-native", named=True, seconds=400)
def cold_boot(guest):
    """Without anything in the initramfs: the early unit is before udev's coldplug."""
    cmdline = guest.machine.boot.cmdline
    guest.put(CONFIG, RULES)
    guest.machine.reboot(PROBE_LOG)
    try:
        expect_never_native(guest)
        node_access(guest)
    finally:
        guest.put(CONFIG, "")
        guest.machine.reboot(cmdline)


def node_access(guest):
    """case 54: the rule's group may open the node, others may not; its name is a device unit."""
    node = f"/dev/vfio/{guest.group(GPU)}"
    guest.run("udevadm settle", 30)
    expect(guest.out(f"stat -c '%a %U %G' {node}") == "660 root kvm", f"{node} is {guest.out(f'stat -c %a:%U:%G {node}')}")
    expect(guest.out("readlink -f /dev/vfio/by-name/guest-gpu") == node, "by-name/guest-gpu is not the group's node")
    guest.run("id rig-user 2>/dev/null || useradd rig-user; id rig-other 2>/dev/null || useradd rig-other; "
              "usermod -a -G kvm rig-user", 30)
    test = "exec 3<>/dev/vfio/by-name/guest-gpu"
    guest.run(f"setpriv --reuid rig-user --regid rig-user --init-groups sh -c '{test}'")
    refused = guest.run(f"setpriv --reuid rig-other --regid rig-other --init-groups sh -c '{test}'", check=False)
    expect(refused.code != 0 and "Permission denied" in refused.stderr, f"a stranger was not refused: {refused}")
    guest.run("systemctl is-active 'dev-vfio-by\\x2dname-guest\\x2dgpu.device'")


@scenario("cold-boot-never-native-initramfs", named=True, seconds=600)
def cold_boot_initramfs(guest):
    """The native drivers are in the initramfs, and so are we."""
    machine = guest.machine
    cmdline = machine.boot.cmdline
    guest.put(CONFIG, RULES)
    machine.initrd = image.initrd_with(machine.image, guest.package, RULES, ["nvme", "e1000e", "bochs", "snd_hda_intel"])
    try:
        machine.reboot(PROBE_LOG)
        expect_never_native(guest)
        loaded = float(re.search(r"\[ *([\d.]+)\].*driver_bound: bound to device '" + NVME, guest.out("dmesg", 60)).group(1))
        switched = float(re.search(r"\[ *([\d.]+)\] systemd\[1\]", guest.out("dmesg", 60)).group(1))
        expect(loaded < switched, f"{NVME} was bound at {loaded} s, after the initramfs had ended ({switched} s)")
    finally:
        machine.initrd = None
        guest.put(CONFIG, "")
        machine.reboot(cmdline)
