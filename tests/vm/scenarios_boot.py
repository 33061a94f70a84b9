# SPDX-License-Identifier: LGPL-2.1-or-later
"""At boot the native driver never gets the device.

The proof is the kernel's own log of the driver core since it started: with dynamic debug on drivers/base/dd.c it
has a line for every device that a driver was bound to, whoever caused it.
"""

import contextlib
import re

import image
from boots import AUDIO, GPU, NIC_A, NIC_B, NVME, ROOT_DISK, TWIN_A, TWIN_B
from guest import CONFIG, GROUP, MANAGER, ROOT, UNIT, Failed, expect
from scenarios import scenario

PROBE_LOG = 'intel_iommu=on log_buf_len=8M dyndbg="file drivers/base/dd.c +p"'
NEVER_NATIVE = {GPU: "vfio-pci", AUDIO: "vfio-pci", TWIN_A: "vfio-pci", NVME: "vfio-pci"}
RULES = f'''[vfio-pci]
disable-idle-d3 = true
[[bind]]
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


def expect_never_native(guest):
    guest.expect_drivers(NEVER_NATIVE, guest.pristine)
    seen, _ = guest.bindings()
    expect(seen.get(TWIN_B) == ["e1000e"], f"the log of bindings is not to be trusted: {TWIN_B} had {seen.get(TWIN_B)}")
    wrong = {address: seen.get(address) for address in NEVER_NATIVE if seen.get(address) != ["vfio-pci"]}
    expect(not wrong, f"drivers since the kernel started: {wrong}")
    active = guest.out("systemctl is-active vfio-bind-early.service || true")
    expect(active == "active", f"vfio-bind-early.service is {active}")
    expect(guest.out("cat /sys/module/vfio_pci/parameters/disable_idle_d3") == "Y", "vfio-pci was loaded without its options")
    for address in (GPU, TWIN_A, NVME):
        expect(guest.state(address) == "bound", f"the daemon says that the group of {address} is '{guest.state(address)}'")


def boots_never_native(guest, count):
    """Boots so many times; the devices never had a native driver in any of them."""
    for number in range(1, count + 1):
        guest.machine.reboot(PROBE_LOG)
        try:
            expect_never_native(guest)
        except Failed as error:
            raise Failed(f"boot {number} of {count}: {error}") from error
    print(f"note: no native driver since the kernel started, {count} of {count} boots", flush=True)


@contextlib.contextmanager
def rules_at_boot(guest, text, initrd=None):
    """The configuration for the boots to come. The guest is brought back without another boot, which takes long."""
    machine = guest.machine
    boot = machine.boot
    guest.put(CONFIG, text)
    machine.initrd = initrd
    try:
        yield machine
    finally:
        machine.initrd, machine.boot = None, boot
        guest.put(CONFIG, "")


# case 20, 44
@scenario("cold-boot-never-native", boot="boots", seconds=400)
def cold_boot(guest):
    """Without anything in the initramfs: the early unit is before udev's coldplug."""
    with rules_at_boot(guest, RULES):
        boots_never_native(guest, 1)
        node_access(guest)
        device_unit(guest)


@scenario("cold-boot-never-native-10x", boot="boots", named=True, seconds=1800)
def cold_boots(guest):
    with rules_at_boot(guest, RULES):
        boots_never_native(guest, 10)


def device_unit(guest):
    """A unit for a VM that wants the device: it starts after the node is there, and fails where it never comes."""
    unit = """[Unit]
Requires=dev-vfio-by\\x2dname-{0}.device
After=dev-vfio-by\\x2dname-{0}.device
JobTimeoutSec=5
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/test -c /dev/vfio/by-name/{1}
"""
    guest.put("/run/systemd/system/rig-vm.service", unit.format("guest\\x2dgpu", "guest-gpu"))
    guest.put("/run/systemd/system/rig-vm-none.service", unit.format("nobody", "nobody"))
    guest.run("systemctl daemon-reload; systemctl start rig-vm.service", 60)
    ready = guest.run("systemctl start rig-vm-none.service", 60, check=False)
    expect(ready.code != 0, "a unit started whose device is not there")
    order = guest.out("systemctl show -P ActiveEnterTimestampMonotonic 'dev-vfio-by\\x2dname-guest\\x2dgpu.device' "
                      "rig-vm.service").split()
    expect(int(order[0]) <= int(order[1]), f"the unit started before its device: {order}")


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


def initrd(guest, builder="initramfs-tools"):
    """With the native drivers in it, and with us."""
    return image.initrd_with(guest.machine.image, guest.package, RULES, ["nvme", "e1000e", "bochs", "snd_hda_intel"], builder)


def expect_bound_in_initramfs(guest):
    loaded = guest.bindings()[1][NVME]
    switched = float(re.search(r"\[ *([\d.]+)\] systemd\[1\]", guest.out("dmesg", 60)).group(1))
    expect(loaded < switched, f"{NVME} was bound at {loaded} s, after the initramfs had ended ({switched} s)")


@scenario("cold-boot-never-native-initramfs", boot="boots", seconds=600)
def cold_boot_initramfs(guest):
    with rules_at_boot(guest, RULES, initrd(guest)):
        boots_never_native(guest, 1)
        expect_bound_in_initramfs(guest)


@scenario("cold-boot-never-native-dracut", boot="boots", named=True, seconds=900)
def cold_boot_dracut(guest):
    with rules_at_boot(guest, RULES, initrd(guest, "dracut")):
        boots_never_native(guest, 1)
        expect_bound_in_initramfs(guest)


@scenario("initramfs-part-is-small")
def small(guest):
    """At most 2 MiB, with the modules that it brings; libc is in every initramfs."""
    guest.put(CONFIG, RULES)
    early = "/usr/libexec/vfio-bind-early"
    files = guest.out(f"echo {early}; for m in $({early} --modules); do modprobe --show-depends $m; done | "
                      "sed -n 's/^insmod \\([^ ]*\\).*/\\1/p' | sort -u")
    expect("/vfio-pci.ko" in files, f"the modules are not among the files: {files}")
    size = sum(int(text) for text in guest.out("stat -c %s " + files.replace("\n", " ")).split())
    print(f"note: {size / 1024:.0f} KiB in an initramfs, {len(files.splitlines())} files", flush=True)
    expect(size <= 2 << 20, f"{size} bytes are more than 2 MiB")
    linked = guest.out(f"ldd {early}")
    expect(all(name not in linked for name in ("systemd", "sdbus", "stdc++")), f"it brings libraries along: {linked}")


@scenario("cold-boot-never-native-initramfs-10x", boot="boots", named=True, seconds=2400)
def cold_boots_initramfs(guest):
    with rules_at_boot(guest, RULES, initrd(guest)):
        boots_never_native(guest, 10)


@scenario("boot-with-a-broken-config", boot="boots", seconds=300)
def broken_config(guest):
    """case 63: it boots as if we were not there, and says so."""
    with rules_at_boot(guest, RULES + "no-such-key = 1\n") as machine:
        machine.reboot()
        guest.expect_drivers({}, guest.pristine)
        expect("no-such-key" in guest.get(ROOT, MANAGER, "ConfigError"), "ConfigError does not name the key")
        expect("before udev: no rules are in force" in guest.journal(), "the daemon does not tell what the early program met")
        expect("the configuration is invalid" in guest.out(f"systemctl show -P StatusText {UNIT}"), "status does not say it")
        guest.run("test ! -e /run/udev/rules.d/10-vfio-bind.rules && test ! -e /run/vfio-bind/early.log")


@scenario("boot-with-a-config-that-names-the-root-disk", boot="boots", seconds=400)
def root_disk(guest):
    """case 6: refused at early boot and by the daemon; what else is named is taken."""
    rules = f'[[bind]]\nname = "root"\ndevices = ["{ROOT_DISK}"]\n[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n'
    with rules_at_boot(guest, rules) as machine:
        machine.reboot()
        guest.expect_drivers({TWIN_A: "vfio-pci"}, guest.pristine)
        expect(guest.state(ROOT_DISK) == "blocked", f"the root disk's group is '{guest.state(ROOT_DISK)}'")
        expect("mounted" in str(guest.get(guest.group_path(ROOT_DISK), GROUP, "Blockers")), "the blocker is not named")


@scenario("boot-without-a-config", boot="boots", seconds=300)
def no_config(guest):
    """case 63"""
    guest.run(f"mv {CONFIG} {CONFIG}.away")
    try:
        guest.machine.reboot()
        guest.expect_drivers({}, guest.pristine)
        expect(guest.get(ROOT, MANAGER, "ConfigError") == "", "a missing file is told as an error")
        expect(guest.out("systemctl is-failed 'vfio-bind*' || true").count("failed") == 0, "a unit has failed")
    finally:
        guest.run(f"mv {CONFIG}.away {CONFIG}")


@scenario("boot-gives-back-the-root-disk", boot="boots", seconds=600)
def give_back(guest):
    """case 6: a name of the root file system that tells no controller; without it the machine would not come up."""
    rules = f'[[bind]]\nname = "root"\ndevices = ["{ROOT_DISK}"]\n[[bind]]\nname = "nic"\ndevices = ["{TWIN_A}"]\n'
    name = guest.out("blkid -s UUID -o value /dev/vda")
    made = image.initrd_with(guest.machine.image, guest.package, rules, ["virtio_blk", "virtio_pci", "e1000e"])
    with rules_at_boot(guest, rules, made) as machine:
        machine.reboot(f"intel_iommu=on log_buf_len=8M root=UUID={name}")
        log = guest.out("dmesg", 60)
        expect("the root file system does not appear" in log, "nothing was given back: the disk was not taken in the initramfs")
        expect(guest.driver(ROOT_DISK) == "virtio-pci", f"{ROOT_DISK} is on '{guest.driver(ROOT_DISK)}'")
        expect(guest.state(ROOT_DISK) == "blocked", f"the root disk's group is '{guest.state(ROOT_DISK)}'")
        guest.wait_state(TWIN_A, "bound")


def serial_of(guest, address):
    """As lspci prints it, which has read the configuration space by itself."""
    found = re.search(r"Device Serial Number ((?:[0-9a-f]{2}-){7}[0-9a-f]{2})", guest.out(f"lspci -vv -s {address}"))
    expect(found, f"lspci tells no serial number of {address}")
    return found.group(1)


@scenario("boot-by-host-serial-and-members", boot="boots", seconds=900)
def identity(guest):
    """One of two identical cards by its serial number; a member that the rule does not know of; files for other hosts."""
    drop_ins = "/usr/lib/vfio-bind.d"
    rules = f'''[[bind]]
name = "twin"
devices = [{{ serial = "{serial_of(guest, TWIN_B)}" }}]
[[bind]]
name = "crowded"
devices = ["{NIC_A}"]
members = []
[[bind]]
name = "later"
devices = ["{NVME}"]
when = "asked"
'''
    card = f'[[bind]]\nname = "guest-gpu"\ndevices = ["{GPU}"]\nmembers = ["{AUDIO}"]\n'
    other = f'[match]\nhost = "somewhere-else"\n[[bind]]\nname = "other"\ndevices = ["{TWIN_A}"]\n'
    guest.run(f"mkdir -p {drop_ins} /etc/vfio-bind.d")
    guest.put(f"{drop_ins}/10-card.toml", f'[match]\nhost = "{guest.out("cat /etc/hostname")}"\n{card}')
    guest.put(f"{drop_ins}/20-other.toml", other)
    guest.put(f"{drop_ins}/30-masked.toml", other.replace("somewhere-else", "*").replace("other", "masked"))
    guest.run("ln -s /dev/null /etc/vfio-bind.d/30-masked.toml")
    try:
        with rules_at_boot(guest, rules) as machine:
            machine.reboot(PROBE_LOG)
            seen, _ = guest.bindings()
            for address in (TWIN_B, GPU, AUDIO):
                expect(seen.get(address) == ["vfio-pci"], f"{address} had {seen.get(address)} since the kernel started")
            for address in (TWIN_A, NIC_A, NIC_B, NVME):
                expect("vfio-pci" not in seen.get(address, []), f"{address} had {seen.get(address)} since the kernel started")
                expect(guest.override(address) == "", f"the override of {address} was set: {guest.override(address)}")
            expect(guest.state(NIC_A) == "blocked", f"the crowded group is '{guest.state(NIC_A)}'")
            blockers = guest.get(guest.group_path(NIC_A), GROUP, "Blockers")
            expect([b[0] for b in blockers] == ["unexpected-member"], f"its blockers are {blockers}")
            expect(NIC_B in blockers[0][2] and "bridge" in blockers[0][2], f"the newcomer or the bridge is not named: {blockers}")
            shown = guest.out("vfio-bindctl verify")
            expect("20-other.toml counts as absent" in shown and "30-masked.toml masks" in shown, f"verify says: {shown}")
            described = guest.out("vfio-bindctl groups --json")
            guest.put("/run/machine.json", described)
            tried = guest.run("vfio-bindctl verify --machine /run/machine.json", check=False)
            expect(tried.code == 1 and "unexpected-member" in tried.stdout, f"verify of the description says: {tried}")
    finally:
        guest.run(f"rm -f {drop_ins}/*.toml /etc/vfio-bind.d/30-masked.toml")


@scenario("boot-with-vfio-bind-off", boot="boots", seconds=400)
def stands_back(guest):
    """vfio_bind=off: nothing is bound by itself, and who asks is told why."""
    with rules_at_boot(guest, RULES) as machine:
        machine.reboot("intel_iommu=on vfio_bind=off")
        guest.expect_drivers({}, guest.pristine)
        early = guest.out("journalctl -b -u vfio-bind-early.service -o cat --no-pager")
        expect("the kernel command line says vfio_bind=off" in early, f"the early program does not say why: {early}")
        expect("vfio_bind=off" in guest.out("vfio-bindctl verify"), "verify does not say why")
        guest.run("test ! -e /run/udev/rules.d/10-vfio-bind.rules && test ! -e /run/vfio-bind/overrides.json")
        guest.done("Bind", TWIN_A)
        expect(guest.driver(TWIN_A) == "vfio-pci", "a call over the bus is not carried out")
