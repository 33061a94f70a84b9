# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the host uses is not taken: refused with the concrete thing in the sentence, nothing written, and the bind
goes through when the host uses it no more."""

import contextlib
import json
import re
import tempfile

from boots import CARD, DISK_A, DISK_B, LAN_A, LAN_B, ROOT_DISK, SCREEN, USB
from guest import CONFIG, GROUP, MANAGER, NO_RULES, ROOT, UNIT, Failed, expect
from scenarios import scenario
from tools import build


def allowing(*codes):
    return ("1", "allow", "as", str(len(codes)), *codes) if codes else ("0",)


def variant(codes):
    return "{'allow': <[" + ", ".join(f"'{code}'" for code in codes) + "]>}" if codes else "{}"


def refused(guest, address, code, *words, allow=()):
    """Bind is refused with the code and the words, and nothing is written to the kernel."""
    before = guest.drivers()
    with guest.no_kernel_writes(f"a Bind of {address} that is refused"):
        name, text = guest.refused(ROOT, MANAGER, "Bind", f"'{address}'", variant(allow), seconds=60)
    expect(name == "Blocked", f"Bind of {address} was refused with {name}, not Blocked: {text}")
    expect(f"{code}: " in text, f"Bind of {address} was refused without {code}: {text}")
    for word in words:
        expect(word in text, f"'{word}' is not in the refusal: {text}")
    guest.expect_drivers({}, before)
    return text


def bound_and_given_back(guest, address, allow=()):
    guest.done("Bind", address, allowing(*allow))
    expect(guest.driver(address) == "vfio-pci", f"{address} is on {guest.driver(address)}")
    guest.done("Release", address)


def block_device(guest, address):
    """The disk's name, such as nvme0n1."""
    found = guest.out(f"for d in /sys/class/block/*; do readlink -f $d; done | grep '/{address}/' | grep -v '/{address}/.*p[0-9]*$' "
                      "| sed 's,.*/,,'").split()
    expect(len(found) == 1, f"{address} has the disks {found}")
    return found[0]


def interface(guest, address):
    return guest.out(f"ls /sys/bus/pci/devices/{address}/net").split()[0]


@contextlib.contextmanager
def undone(guest, *commands):
    """However the scenario ends, the guest is as before."""
    try:
        yield
    finally:
        for command in commands:
            guest.run(command, 60, check=False)


# case 6, and a rule instead of a call: the machine starts and goes on
@scenario("used-root-disk-is-refused", boot="used")
def root_disk(guest):
    text = refused(guest, ROOT_DISK, "mounted", "holds /")
    expect("vfio-bind" not in text and "/tmp" not in text, f"the sandbox's own mounts are named as the host's: {text}")
    with undone(guest, f"printf '{NO_RULES}' > {CONFIG}"):
        with guest.no_kernel_writes("a rule that names the root disk"):
            guest.configure(f'[[bind]]\nname = "mistake"\ndevices = ["{ROOT_DISK}"]\n')
            guest.wait_state(ROOT_DISK, "blocked")
        blockers = guest.get(guest.group_path(ROOT_DISK), GROUP, "Blockers")
        expect(any(code == "mounted" and "holds /" in sentence for code, _, sentence in blockers),
               f"the group's blockers are {blockers}")
        guest.run("touch /var/tmp/written-after && sync", 30)


# case 6
@scenario("used-lvm-is-refused", boot="used", seconds=240)
def lvm(guest):
    disk = block_device(guest, DISK_A)
    undo = ("umount /mnt", "vgchange -an vg0", "vgremove -ff -y vg0", f"pvremove -ff -y /dev/{disk}", f"wipefs -a /dev/{disk}")
    with undone(guest, *undo):
        guest.run(f"pvcreate -y /dev/{disk} && vgcreate vg0 /dev/{disk} && lvcreate -y -n data -L 64M vg0 && "
                  "mkfs.ext4 -q /dev/vg0/data && mount /dev/vg0/data /mnt", 120)
        refused(guest, DISK_A, "mounted", f"{DISK_A} holds /mnt ({disk} -> dm-0 vg0-data)")
        # What is taken on oneself is one code, and no other goes through with it.
        refused(guest, DISK_A, "mounted", allow=("storage-member", "swap", "usb-storage"))
        guest.run("umount /mnt", 30)
        refused(guest, DISK_A, "storage-member", "an LVM volume", "lvchange -an /dev/mapper/vg0-data")
        guest.run("vgchange -an vg0", 60)
        bound_and_given_back(guest, DISK_A)


# case 6
@scenario("used-md-is-refused", boot="used", seconds=240)
def md(guest):
    first, second = block_device(guest, DISK_A), block_device(guest, DISK_B)
    undo = ("umount /mnt", "mdadm --stop /dev/md7", f"mdadm --zero-superblock /dev/{first} /dev/{second}",
            f"wipefs -a /dev/{first} /dev/{second}")
    with undone(guest, *undo):
        guest.run(f"mdadm --create /dev/md7 --run --level=1 --raid-devices=2 --metadata=1.2 /dev/{first} /dev/{second} && "
                  "mkfs.ext4 -q /dev/md7 && mount /dev/md7 /mnt", 120)
        for address, disk in ((DISK_A, first), (DISK_B, second)):
            refused(guest, address, "mounted", f"({disk} -> md7)")
        guest.run("umount /mnt", 30)
        refused(guest, DISK_B, "storage-member", "an MD array", "mdadm --stop /dev/md7")
        guest.run("mdadm --stop /dev/md7", 60)
        bound_and_given_back(guest, DISK_B)


# case 6
@scenario("used-dm-crypt-swap-is-refused", boot="used", seconds=180)
def crypt_swap(guest):
    disk = block_device(guest, DISK_A)
    with undone(guest, "swapoff /dev/mapper/cryptswap", "cryptsetup close cryptswap", f"wipefs -a /dev/{disk}"):
        guest.run(f"cryptsetup open --type plain --key-file /dev/urandom --cipher aes-cbc-essiv:sha256 --key-size 256 "
                  f"/dev/{disk} cryptswap && mkswap /dev/mapper/cryptswap && swapon /dev/mapper/cryptswap", 90)
        refused(guest, DISK_A, "swap", f"holds swap ({disk} -> dm-0 cryptswap)")
        guest.run("swapoff /dev/mapper/cryptswap", 60)
        refused(guest, DISK_A, "storage-member", "cryptsetup close cryptswap")
        guest.run("cryptsetup close cryptswap", 60)
        bound_and_given_back(guest, DISK_A)


# What lib/guard/idle.h rests on: whatever has a disk or a screen open is counted, and nothing else is.
@scenario("used-nodes-are-counted-by-the-kernel", boot="used", seconds=240)
def counted(guest):
    counts = "cat /sys/module/nvme_core/refcnt /sys/module/nvme/refcnt; ls /sys/module/nvme_core/holders"

    def idle(when):
        # A driver that is back shows its disk a little later, and udev opens what comes and what has been written to.
        guest.run("udevadm wait --timeout=60 --settle /dev/nvme0n1 /dev/nvme1n1", 90)
        guest.run(f"timeout 60 sh -c 'until [ \"$({{ {counts}; }} | xargs)\" = \"1 0 nvme\" ]; do udevadm settle; done'", 90, check=False)
        found = guest.out(counts).split()
        expect(found == ["1", "0", "nvme"], f"{when} the kernel counts {found}")

    idle("with no disk in use")
    disk = block_device(guest, DISK_A)
    nodes = guest.out("ls /dev/nvme0 /dev/nvme0n1 /dev/ng0n1").split()
    for node in nodes:
        found = guest.out(f"bash -c 'exec 9<{node}; cat /sys/module/nvme_core/refcnt'")
        expect(int(found) == 2, f"with {node} open the kernel counts {found}")
        idle(f"with {node} closed")
    uses = ((f"mkfs.ext4 -q -F /dev/{disk} && mount /dev/{disk} /mnt", "umount /mnt"),
            (f"mkswap /dev/{disk} && swapon /dev/{disk}", f"swapoff /dev/{disk}"),
            (f"losetup /dev/loop7 /dev/{disk}", "losetup -d /dev/loop7"),
            (f"echo 0 8 linear /dev/{disk} 0 | dmsetup create upon", "dmsetup remove upon"))
    for use, undo in uses:
        with undone(guest, undo, f"wipefs -a /dev/{disk}"):
            # What is written by mkfs has udev open the disk.
            guest.run(f"{use} && udevadm settle", 90)
            found = guest.out("cat /sys/module/nvme_core/refcnt")
            expect(int(found) > 1, f"after '{use}' the kernel counts {found}")
        idle(f"after '{undo}'")
    card = f"/sys/bus/pci/devices/{CARD}"
    screens = guest.out(f"for n in {card}/drm/card? {card}/drm/renderD*; do [ -e $n ] && echo /dev/dri/${{n##*/}}; done; "
                        f"for n in {card}/graphics/fb?; do echo /dev/${{n##*/}}; done").split()
    expect(len(screens) > 1, f"{CARD} has the nodes {screens}")
    for nodes, module in (([f"/dev/{block_device(guest, USB)}"], "usb_storage"), (screens, "bochs")):
        count = f"cat /sys/module/{module}/refcnt"
        before = int(guest.out(count))
        for node in nodes:
            found = guest.out(f"bash -c 'exec 9<{node}; {count}'")
            expect(int(found) == before + 1, f"with {node} open the kernel counts {found} for {module} and not {before + 1}")
        if module == "bochs":
            expect(before == 0, f"with no screen open the kernel counts {before} for bochs")


# case 6: a namespace that the daemon does not live in
@scenario("used-by-a-container-is-refused", boot="used", seconds=120)
def container(guest):
    disk = block_device(guest, DISK_A)
    guest.run(f"mkfs.ext4 -q -F /dev/{disk}", 60)
    # What is mounted by hand in /home is hidden from the daemon by its own sandbox.
    with undone(guest, "umount /home", f"wipefs -a /dev/{disk}"):
        guest.run(f"mount /dev/{disk} /home", 30)
        refused(guest, DISK_A, "mounted", f"holds /home ({disk})")
        guest.run("umount /home", 30)
        inside = guest.machine.start_stream(f"unshare --mount sh -c 'mount /dev/{disk} /mnt && echo mounted && read x'")
        try:
            inside.wait(lambda text: text == "mounted", 20, what="'mounted'")
            expect(not guest.run(f"grep /dev/{disk} /proc/1/mountinfo", check=False).stdout, "the mount is the host's too")
            refused(guest, DISK_A, "mounted", "/mnt (in the mount namespace of process ")
        finally:
            inside.stop()
        bound_and_given_back(guest, DISK_A)


# case 7
@scenario("used-bond-with-the-default-route-is-refused", boot="used", seconds=150)
def bond(guest):
    lan = interface(guest, LAN_A)
    with undone(guest, "ip link del bond0", f"ip link set {lan} down"):
        guest.run(f"modprobe bonding max_bonds=0 && ip link add bond0 type bond mode active-backup && ip link set {lan} master bond0 "
                  "&& ip link set bond0 up && ip addr add 192.0.2.5/24 dev bond0 && ip route add default via 192.0.2.1", 60)
        text = refused(guest, LAN_A, "default-route", f"{lan} of {LAN_A} carries the default route",
                       f"{lan} -> bond0, table main")
        expect("network-stacked: " in text and "bond bond0" in text, f"the bond is not named: {text}")
        refused(guest, LAN_A, "network-stacked", allow=("default-route", "network-up"))
        guest.run("ip route del default", 20)
        text = refused(guest, LAN_A, "network-stacked", "bond bond0")
        expect("default-route" not in text, f"there is no default route any more: {text}")
        guest.run(f"ip link del bond0 && ip link set {lan} down", 30)
        bound_and_given_back(guest, LAN_A)


# case 7: a bridge's address, and a table that only a policy rule leads to
@scenario("used-bridge-and-policy-table-are-refused", boot="used", seconds=150)
def bridge(guest):
    lan, other = interface(guest, LAN_A), interface(guest, LAN_B)
    with undone(guest, "ip link del br0", f"ip link set {lan} down", f"ip -6 addr flush dev {other} scope global",
                f"ip link set {other} down"):
        guest.run(f"ip link add br0 type bridge && ip link set {lan} master br0 && ip link set {lan} up && ip link set br0 up && "
                  "ip addr add 192.0.2.6/24 dev br0", 30)
        refused(guest, LAN_A, "network-up", f"is up with 192.0.2.6/24 ({lan} -> br0)", "bridge br0")
        guest.run(f"ip link set {other} up && ip -6 addr add 2001:db8::5/64 dev {other} nodad && "
                  f"ip -6 route add default via 2001:db8::1 table 1000", 30)
        refused(guest, LAN_B, "default-route", f"IPv6 via 2001:db8::1, {other}, table 1000")
        guest.run(f"ip link del br0 && ip link set {lan} down && ip link set {other} down", 30)
        bound_and_given_back(guest, LAN_A)
        bound_and_given_back(guest, LAN_B)


# case 8
@scenario("used-in-another-network-namespace-is-refused", boot="used", seconds=120)
def netns(guest):
    lan = interface(guest, LAN_A)
    with undone(guest, "ip netns del box"):
        guest.run(f"ip netns add box && ip link set {lan} netns box", 30)
        # The folder counts what it does not show: so one of two interfaces is noticed as well.
        folder = f"/sys/bus/pci/devices/{LAN_A}/net"
        counted = guest.out(f"stat -c %h {folder}; ls {folder} | wc -l").split()
        expect(counted == ["3", "0"], f"{folder} has {counted[0]} links and shows {counted[1]} interfaces")
        refused(guest, LAN_A, "network-stacked", f"{LAN_A} has a network interface in another network namespace")
        guest.run(f"ip -n box link set {lan} netns 1", 30)
        bound_and_given_back(guest, LAN_A)


# case 9
@scenario("used-screen-and-console-are-refused", boot="used", seconds=180)
def screen(guest):
    expect(guest.out(f"cat /sys/bus/pci/devices/{SCREEN}/boot_vga") == "1", f"{SCREEN} is not the boot display")
    refused(guest, SCREEN, "boot-display", "(boot_vga)")
    login = guest.machine.start_stream("sh -c 'exec 3<>/dev/tty1 && echo open && read x'")
    try:
        login.wait(lambda text: text == "open", 20, what="'open'")
        text = refused(guest, SCREEN, "console", "shows the console", "sh (pid ", allow=("boot-display",))
        expect("boot-display: " not in text, f"what was taken on oneself is still refused: {text}")
    finally:
        login.stop()
    guest.done("Bind", SCREEN, allowing("boot-display"))
    log = guest.journal()
    expect(re.search(r"boot-display: .* is overridden by uid 0", log), f"the log does not tell who took it on himself:\n{log}")
    guest.done("Release", SCREEN)


# case 9
@scenario("used-drm-node-is-refused", boot="used", seconds=150)
def drm(guest):
    node = guest.out(f"ls /sys/bus/pci/devices/{SCREEN}/drm | grep card").split()[0]
    allow = ("boot-display",)
    painter = guest.machine.start_stream(f"sh -c 'exec 3<>/dev/dri/{node} && echo open && read x'")
    try:
        painter.wait(lambda text: text == "open", 20, what="'open'")
        refused(guest, SCREEN, "display-in-use", f"sh (pid ", f"has /dev/dri/{node} open", allow=allow)
    finally:
        painter.stop()
    bound_and_given_back(guest, SCREEN, allow)


# case 10
@scenario("used-usb-stick-and-keyboard-are-refused", boot="used", seconds=180)
def usb(guest):
    stick = block_device(guest, USB)
    guest.run(f"mkfs.ext4 -q -F /dev/{stick}", 60)
    keyboards = guest.out("ls /sys/bus/serio/drivers/atkbd | grep serio || true").split()
    with undone(guest, "umount /mnt", *(f"echo -n {one} > /sys/bus/serio/drivers/atkbd/bind" for one in keyboards),
                f"wipefs -a /dev/{stick}"):
        guest.run(f"mount /dev/{stick} /mnt", 30)
        refused(guest, USB, "usb-storage", f"{USB} holds /mnt ({stick})")
        guest.run("umount /mnt", 30)
        for one in keyboards:
            guest.run(f"echo -n {one} > /sys/bus/serio/drivers/atkbd/unbind", 20)
        refused(guest, USB, "last-keyboard", "the machine's last keyboard (QEMU QEMU USB Keyboard)")
        for one in keyboards:
            guest.run(f"echo -n {one} > /sys/bus/serio/drivers/atkbd/bind", 20)
        bound_and_given_back(guest, USB)


# The guards are a small part of a bind. Named only: a busy host makes any measurement worthless.
@scenario("guards-take-little-time", boot="used", seconds=1200, named=True)
def guards_take_little_time(guest):
    with tempfile.TemporaryDirectory(prefix="guard-clock-") as folder:
        guest.put("/usr/local/bin/guard-clock", build(folder, "guard-clock").read_bytes(), 0o755)
    with undone(guest, f"systemctl start {UNIT}"):
        guest.run(f"systemctl stop {UNIT}; modprobe vfio-pci && udevadm settle", 120)
        told = guest.out(f"guard-clock {DISK_A} {LAN_A} {USB} {CARD}", 300)
    slow = []
    for address, guards, bind in (line.split() for line in told.splitlines()):
        part = int(guards) / int(bind)
        print(f"    {address}: guards {int(guards) / 1000:.1f} ms, bind {int(bind) / 1000:.1f} ms, {part:.1%}", flush=True)
        slow += [f"{part:.1%} of a bind of {address}"] if part >= 0.1 else []
    expect(not slow, f"the guards take {' and '.join(slow)}")


def doctor(guest, target="", code=0):
    result = guest.run(f"vfio-bindctl doctor --json {target}", 60, check=False)
    expect(result.code == code, f"doctor {target} ended with {result.code} instead of {code}: {result.stdout}{result.stderr}")
    return json.loads(result.stdout)


def expect_finding(report, level, topic, words):
    found = [f for f in report["findings"] if f["topic"] == topic]
    if not any(f["level"] == level and words in f"{f['sentence']} -> {f['remedy']}" for f in found):
        raise Failed(f"no {level} about {topic} with '{words}' among {found}")


@scenario("doctor-on-a-used-machine", boot="used")
def doctor_used(guest):
    report = doctor(guest)
    expect_finding(report, "ok", "iommu", "the IOMMU is intel (dmar0), switched on by intel_iommu=on")
    expect_finding(report, "ok", "interrupt-remapping", "interrupts are remapped")
    report = doctor(guest, DISK_A)
    expect_finding(report, "ok", "blockers", "nothing uses group")
    expect_finding(report, "ok", "msi", f"{DISK_A} has MSI-X")
    expect_finding(doctor(guest, ROOT_DISK, 1), "error", "mounted", "holds /")
    expect_finding(doctor(guest, SCREEN, 1), "error", "boot-display", "--allow boot-display")
    expect(guest.run("vfio-bindctl groups --json", 60).code == 0, "groups failed")
    text = guest.out("setpriv --reuid=65534 --regid=65534 --clear-groups vfio-bindctl groups", 60)
    expect(re.search(r"^  01:00\.0 R\?\? \[1b36:0010\] nvme", text, re.M), f"an ordinary user sees no NVMe disk:\n{text}")
    unsure = guest.run(f"setpriv --reuid=65534 --regid=65534 --clear-groups vfio-bindctl doctor {DISK_A}", 60, check=False)
    expect("run it as root" in unsure.stdout, f"an ordinary user is not told what he could not see: {unsure}")


@scenario("doctor-without-an-iommu", boot="no-iommu")
def doctor_none(guest):
    expect_finding(doctor(guest, code=1), "error", "iommu", "(intel_iommu=off) -> start with intel_iommu=on instead")


@scenario("doctor-on-amd", boot="amd")
def doctor_amd(guest):
    report = doctor(guest)
    expect_finding(report, "ok", "iommu", "the IOMMU is amd (ivhd0), on by the kernel's default")
    expect_finding(report, "ok", "interrupt-remapping", "interrupts are remapped")
    modules = guest.out("ls -d /lib/modules/*").split()[0]
    with undone(guest, f"mv {modules}/modules.dep.away {modules}/modules.dep", "depmod"):
        guest.run(f"grep -v vfio {modules}/modules.dep > /tmp/dep && mv {modules}/modules.dep {modules}/modules.dep.away && "
                  f"cp /tmp/dep {modules}/modules.dep; rmmod vfio_pci vfio_iommu_type1 2>/dev/null; true", 30)
        expect_finding(doctor(guest, code=1), "error", "modules", "vfio_pci is not installed for the kernel")
