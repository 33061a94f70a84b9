# SPDX-License-Identifier: LGPL-2.1-or-later
"""What processes have open is known by the kernel's numbers: under any name, in any mount namespace, of whatever class;
and what the kernel itself serves to others. Each is refused with the process, the node and its kind, and free afterwards."""

import contextlib
import shlex
import tempfile

from boots import CARD, DISK_A, DISK_B, SCREEN, SERIAL, USB
from guest import UNIT, expect
from scenarios import scenario
from scenarios_guards import allowing, block_device, bound_and_given_back, refused, undone
from tools import build

NOBODY = 65534
JAIL = "/run/jail"      # nodes of other names, which everybody may open; /run itself has none (nodev)
SHOWS = ("boot-display",)       # each card of this machine shows a picture, which is not the question here


@contextlib.contextmanager
def held(guest, node, uid, inside=""):
    """A process of the user has the node open, after what is to be done in a mount namespace of its own."""
    become = f"setpriv --reuid={uid} --regid={uid} --clear-groups" if uid else ""
    opened = f"exec {become} sh -c 'exec 3<{node} && echo open && read x'"
    command = f"unshare --mount sh -c {shlex.quote(f'{inside} && {opened}')}" if inside else opened.removeprefix("exec ")
    stream = guest.machine.start_stream(command)
    try:
        stream.wait(lambda text: text == "open", 30, what="'open'")
        yield
    finally:
        stream.stop()


def number_of(guest, place):
    """`226 1` of a device below /sys."""
    return guest.out(f"tr : ' ' < {place}/dev").strip()


def other_name(guest, place, name, kind="c"):
    """Another node of the device, which everybody may open."""
    node = f"{JAIL}/{name}"
    guest.run(f"mkdir -p {JAIL} && {{ mountpoint -q {JAIL} || mount -t tmpfs -o mode=755 none {JAIL}; }} && rm -f {node} && "
              f"mknod -m 666 {node} {kind} {number_of(guest, place)}", 60)
    return node


def without_jail(guest):
    return undone(guest, f"umount {JAIL} && rmdir {JAIL}")


def refused_while_held(guest, address, code, name, kind, node, uid, inside="", allow=()):
    with held(guest, node, uid, inside):
        refused(guest, address, code, "sh (pid ", f"{name} ({kind}) open" if code == "in-use" else f"{name} open", allow=allow)


def card_of(guest, address):
    return guest.out(f"ls /sys/bus/pci/devices/{address}/drm | grep card").split()[0]


def uses_no_display(guest, address):
    """The card can be had: taken and given back."""
    guest.done("Bind", address, allowing(*SHOWS))
    guest.done("Release", address)


def card_is_free(guest):
    """After the last process has closed the node the kernel shows a picture again (drm_lastclose() in
    drivers/gpu/drm/drm_file.c), so that alone is in the way."""
    text = refused(guest, CARD, "display-in-use", "shows a picture", allow=SHOWS)
    expect("(pid " not in text, f"a process is named that has ended: {text}")
    bound_and_given_back(guest, CARD, (*SHOWS, "display-in-use"))


@scenario("used-drm-node-of-another-name-is-refused", boot="used", seconds=300)
def drm_name(guest):
    ours, others = card_of(guest, CARD), card_of(guest, SCREEN)
    with without_jail(guest):
        node = other_name(guest, f"/sys/class/drm/{ours}", "mycard")
        for uid in (0, NOBODY):
            refused_while_held(guest, CARD, "display-in-use", f"/dev/dri/{ours}", "drm", node, uid, allow=SHOWS)
            # A container in which our card has the other one's name.
            shown = f"mount --bind {node} /dev/dri/{others}"
            refused_while_held(guest, CARD, "display-in-use", f"/dev/dri/{ours}", "drm", f"/dev/dri/{others}", uid, shown, SHOWS)
            with held(guest, f"/dev/dri/{others}", uid, shown):
                uses_no_display(guest, SCREEN)
        card_is_free(guest)


@scenario("used-disk-of-another-name-is-refused", boot="used", seconds=180)
def disk_name(guest):
    disk = block_device(guest, DISK_A)
    make = f"mount -t tmpfs none /mnt && mknod -m 666 /mnt/vol0 b {number_of(guest, f'/sys/class/block/{disk}')}"
    for uid in (0, NOBODY):
        with held(guest, "/mnt/vol0", uid, make):
            refused(guest, DISK_A, "storage-member", f"holds {disk}, which sh (pid ")
    bound_and_given_back(guest, DISK_A)


@scenario("used-nodes-of-every-class-are-refused", boot="used", seconds=420)
def classes(guest):
    guest.run("modprobe sg && udevadm settle", 60)
    pci = "/sys/bus/pci/devices"
    space = guest.out(f"cd {pci}/{DISK_A}/nvme && ls -d */ng*").strip()
    tty = guest.out(f"ls {pci}/{SERIAL}/tty").split()[0]
    generic = guest.out(f"for n in /sys/class/scsi_generic/*; do readlink -f $n; done | grep '/{USB}/'").strip()
    stick = generic.split("/host")[0].rsplit("/", 1)[0]         # the device of the interface that is the host
    name = guest.out(f"sed -n s,^DEVNAME=,,p {stick}/uevent").strip()
    nodes = ((DISK_A, f"{pci}/{DISK_A}/nvme/{space}", f"/dev/{space.split('/')[1]}", "nvme-generic"),
             (SERIAL, f"/sys/class/tty/{tty}", f"/dev/{tty}", "tty"),
             (USB, generic, f"/dev/{generic.rsplit('/', 1)[1]}", "scsi_generic"),
             (USB, stick, f"/dev/{name}", "usb"))
    with without_jail(guest):
        for address, place, shown, kind in nodes:
            node = other_name(guest, place, "thing")
            for uid in (0, NOBODY):
                refused_while_held(guest, address, "in-use", shown, kind, node, uid)
            refused_while_held(guest, address, "in-use", shown, kind, shown, 0)
        for address in (DISK_A, SERIAL, USB):
            bound_and_given_back(guest, address)


@scenario("used-by-a-thread-with-a-table-of-its-own-is-refused", boot="used", seconds=180)
def threads(guest):
    with tempfile.TemporaryDirectory(prefix="node-holder-") as folder:
        guest.put("/usr/local/bin/node-holder", build(folder, "node-holder").read_bytes(), 0o755)
    node = f"/dev/dri/{card_of(guest, CARD)}"
    for how in ("own-table", "first-ended"):
        stream = guest.machine.start_stream(f"node-holder {how} {node}")
        try:
            stream.wait(lambda text: text == "open", 30, what="'open'")
            refused(guest, CARD, "display-in-use", "node-holder (pid ", f"has {node} open", allow=SHOWS)
        finally:
            stream.stop()
    card_is_free(guest)


@scenario("used-disk-that-is-exported-is-refused", boot="used", seconds=240)
def exported(guest):
    disk, other = block_device(guest, DISK_A), block_device(guest, DISK_B)
    core = "/sys/kernel/config/target/core/iblock_0"
    box = "/sys/kernel/config/nvmet/subsystems/box"
    guest.run("mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; "
              "modprobe target_core_mod && modprobe target_core_iblock && modprobe nvmet", 60)
    with undone(guest, f"rmdir {core}/disk1 {core}", f"echo 0 > {box}/namespaces/1/enable; rmdir {box}/namespaces/1 {box}"):
        guest.run(f"mkdir -p {core}/disk1 && echo udev_path=/dev/{disk} > {core}/disk1/control && "
                  f"echo 1 > {core}/disk1/enable", 60)
        refused(guest, DISK_A, "storage-member", f"holds {disk}, which is exported ({core}/disk1)")
        guest.run(f"mkdir {box} && mkdir {box}/namespaces/1 && echo -n /dev/{other} > {box}/namespaces/1/device_path && "
                  f"echo 1 > {box}/namespaces/1/enable", 60)
        refused(guest, DISK_B, "storage-member", f"holds {other}, which is exported ({box}/namespaces/1)")
        guest.run(f"rmdir {core}/disk1 {core}; echo 0 > {box}/namespaces/1/enable", 60)
        bound_and_given_back(guest, DISK_A)
        bound_and_given_back(guest, DISK_B)


# The doors that the units' sandbox closes: tried from inside, with the unit's own lines.
@scenario("sandbox-is-closed", boot="used", seconds=120)
def sandbox(guest):
    disk = block_device(guest, DISK_A)
    with tempfile.TemporaryDirectory(prefix="sandbox-probe-") as folder:
        guest.put("/usr/local/bin/sandbox-probe", build(folder, "sandbox-probe").read_bytes(), 0o755)
    shut = {"core_pattern", "modprobe-path", "sysrq-trigger", "memory of process 1", "process_vm_readv",
            "process_vm_writev", "ptrace", "pidfd_getfd", "open_by_handle_at", "kernel's files", "disk for writing",
            "memory device"}
    ajar = {"descriptors of process 1", "drivers of devices", "disk for reading"}
    pattern = guest.out("cat /proc/sys/kernel/core_pattern")
    for unit in (UNIT, "vfio-bind-early.service"):
        found = guest.out(f"systemctl cat {unit} | sed -e '/^ExecStart/s,=.*,=/usr/local/bin/sandbox-probe /dev/{disk},' "
                          "-e '/^Type=/s,=.*,=oneshot,' -e '/^BusName=/d' -e '/^Before=/d' -e '/^After=/d' -e '/^Restart/d' "
                          "-e '/^RemainAfterExit/d' -e '/^WatchdogSec/d' -e '/^ExecReload/d' -e '/^RuntimeDirectory/d' "
                          "-e '/^Condition/d' -e '/^Conflicts/d' -e '/^Wants/d' "
                          "-e '/^\\[Service\\]/aStandardOutput=truncate:/run/sandbox-probe' "
                          "> /run/systemd/system/sandbox-probe.service && systemctl daemon-reload && "
                          "systemctl start sandbox-probe.service && cat /run/sandbox-probe", 60)
        told = dict(line.split(": ", 1) for line in found.splitlines())
        expect(told.keys() == shut | ajar, f"the probe in {unit} told of {sorted(told)}")
        opened = sorted(door for door in shut if told[door] == "open")
        expect(not opened, f"in the sandbox of {unit} is open what must not be: {', '.join(opened)}")
        closed = sorted(f"{door}: {told[door]}" for door in ajar if told[door] != "open")
        expect(not closed, f"in the sandbox of {unit} is closed what the program needs: {', '.join(closed)}")
    expect(guest.out("cat /proc/sys/kernel/core_pattern") == pattern, "core_pattern was changed")
    guest.run("rm -f /run/systemd/system/sandbox-probe.service /run/sandbox-probe; systemctl daemon-reload", 60)
