# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices taken through iommufd, by their cdevs, on a kernel that has both ways."""

import contextlib
import json
import pathlib
import re
import shlex

from boots import NIC_A, NIC_B, TWIN_A
from guest import GROUP, MANAGER, ROOT, expect, sysfs
from scenarios import scenario
from scenarios_ctl import ctl
from scenarios_faults import in_miniature
from scenarios_lease import leases, wait_given_back

USER = "rig-user"
RULE = f"""\
[[bind]]
name = "lan"
devices = ["{NIC_A}"]
node = {{ owner = "{USER}", group = "kvm", mode = "0660" }}
"""
MANUAL = pathlib.Path(__file__).resolve().parents[2] / "packaging/man/vfio-bind.toml.5"
IOMMU_RULES = "/etc/udev/rules.d/70-iommu.rules"
AS_USER = f"setpriv --reuid {USER} --regid {USER} --init-groups"
QEMU = "qemu-system-x86_64 -machine q35,accel=tcg -m 64 -nodefaults -display none -S -monitor stdio"


def cdev(guest, address):
    return "/dev/vfio/devices/" + guest.out(f"ls {sysfs(address, 'vfio-dev')}")


def with_user(guest):
    guest.run(f"id -u {USER} || useradd --groups kvm {USER}")


def bound_lan(guest, more=""):
    with_user(guest)
    guest.configure(RULE + more)
    guest.wait_state(NIC_A, "bound")
    guest.run("udevadm settle", 60)


def held(guest, *nodes, how="hold-cdev", before=""):
    """A VM in miniature has the devices, or with `open` has opened a cdev and done no more."""
    return in_miniature(guest, f"{before} vfio-probe {how} {' '.join(nodes)}")


@contextlib.contextmanager
def iommu_is_the_users(guest):
    """By the rule that the manual has."""
    rule = re.search(r'^SUBSYSTEM=="misc", KERNEL=="iommu".*$', MANUAL.read_text(encoding="utf-8"), re.M).group(0)
    guest.put(IOMMU_RULES, rule + "\n")
    try:
        guest.run("udevadm control --reload && udevadm trigger /dev/iommu && udevadm settle", 60)
        yield
    finally:
        guest.run(f"rm {IOMMU_RULES} && chown root:root /dev/iommu && udevadm control --reload", 60)


# case 54
@scenario("iommufd-cdevs-have-names-and-access-of-their-rule", boot="iommufd", named=True)
def names(guest):
    bound_lan(guest)
    for address, link in ((NIC_A, "lan.cdev"), (NIC_B, f"lan-{NIC_B}.cdev")):
        node = cdev(guest, address)
        shown = guest.out(f"stat -c '%U %G %a %F' {node}")
        expect(shown == f"{USER} kvm 660 character special file", f"{node} is: {shown}")
        expect(guest.out(f"readlink -f /dev/vfio/by-name/{link}") == node, f"by-name/{link} is not {node}")
        unit = guest.out(f"systemd-escape --path --suffix=device /dev/vfio/by-name/{link}")
        guest.wait_until(lambda unit=unit: guest.run(f"systemctl is-active {shlex.quote(unit)}", check=False).stdout.strip() == "active",
                         20, f"{unit} to be active")
    expect(guest.out("readlink -f /dev/vfio/by-name/lan") == f"/dev/vfio/{guest.group(NIC_A)}", "by-name/lan is not the group's node")
    said = guest.run("COLUMNS=0 vfio-bindctl doctor", 60, check=False).stdout
    expect("has both ways to a device" in said, f"the doctor does not tell of both ways: {said}")
    # Another group's have neither.
    guest.done("Bind", TWIN_A)
    guest.run("udevadm settle", 60)
    shown = guest.out(f"stat -c '%U %a' {cdev(guest, TWIN_A)}")
    expect(shown == "root 600", f"the cdev of a device without a rule is: {shown}")
    expect(guest.out("ls /dev/vfio/by-name").split() == ["lan", f"lan-{NIC_B}.cdev", "lan.cdev"], "there are other names")
    guest.done("Release", NIC_A)
    guest.run("udevadm settle", 60)
    expect(not guest.out("ls /dev/vfio/by-name 2>/dev/null || true"), "names outlive their nodes")
    guest.expect_drivers({TWIN_A: "vfio-pci"}, guest.pristine)


# cases 35, 36
@scenario("iommufd-holder-keeps-the-group-until-its-cdev-is-closed", boot="iommufd", seconds=180, named=True)
def holder(guest):
    bound_lan(guest)
    path = guest.group_path(NIC_A)
    for how in ("hold-cdev", "open"):
        with held(guest, cdev(guest, NIC_B), how=how):
            pid = guest.out("pgrep -x vfio-probe")
            with guest.no_kernel_writes("a Release that is refused"):
                name, message = guest.refused(ROOT, MANAGER, "Release", f"'{NIC_A}'", "@a{sv} {}")
            expect(name == "InUse" and pid in message, f"{name}, and not pid {pid}: {message}")
            guest.wait_until(lambda pid=pid: [one[0] for one in guest.get(path, GROUP, "Holders")] == [int(pid)], 20,
                             f"Holders to be pid {pid}")
            expect(guest.state(NIC_A) == "bound", f"after the refusal the group is '{guest.state(NIC_A)}'")
    guest.done("Release", NIC_A)
    guest.expect_drivers({}, guest.pristine)

    # A lease that ends leaves the group to whoever has it, and no longer.
    guest.configure(RULE + 'when = "asked"\n')
    stream = guest.machine.start_stream("vfio-bindctl run lan -- sh -c 'echo runs; exec sleep 1000'")
    stream.wait(lambda text: text == "runs", 60, what="the command of `run` to begin")
    with held(guest, cdev(guest, NIC_A), cdev(guest, NIC_B)):
        stream.stop()
        guest.wait_until(lambda: not leases(guest, NIC_A), 30, "the lease to end")
        guest.wait_until(lambda: guest.get(path, GROUP, "Holders"), 30, "the holder to be told")
        guest.expect_drivers({NIC_A: "vfio-pci", NIC_B: "vfio-pci"}, guest.pristine)
    wait_given_back(guest, NIC_A)
    guest.expect_drivers({}, guest.pristine)


@scenario("iommufd-the-ways-exclude-each-other", boot="iommufd", named=True)
def ways(guest):
    """What the fake kernel and doc/kernel.md say of a group that is taken by one way and asked for by the other."""
    bound_lan(guest)
    number, node = guest.group(NIC_A), cdev(guest, NIC_A)
    with held(guest, node):
        result = guest.run(f"vfio-probe hold {number} {NIC_B}", check=False)
        expect(result.code == 1 and "errno 16" in result.stderr, f"the group's node is not EBUSY: {result}")
        result = guest.run(f"vfio-probe hold-cdev {cdev(guest, NIC_B)}", check=False)
        expect(result.code == 1 and "VFIO_DEVICE_BIND_IOMMUFD" in result.stderr and "errno 1)" in result.stderr,
               f"another iommufd has a device of the group: {result}")
    with guest_group(guest, number):
        result = guest.run(f"vfio-probe hold-cdev {node}", check=False)
        expect(result.code == 1 and "VFIO_DEVICE_BIND_IOMMUFD" in result.stderr and "errno 16" in result.stderr,
               f"a cdev of a group that is taken is not EBUSY: {result}")


@contextlib.contextmanager
def guest_group(guest, number):
    vm = guest.machine.start_stream(f"vfio-probe hold {number} {NIC_A}")
    try:
        vm.wait(lambda text: text == "holding", 20, what="'holding'")
        yield
    finally:
        vm.stop()


# case 54
@scenario("iommufd-export-is-taken-by-an-ordinary-user", boot="iommufd", seconds=420, named=True)
def export(guest):
    """QEMU 9 and later takes the group as vfio-bindctl export says. Debian 12's QEMU 7.2 has no iommufd: there the probe does."""
    bound_lan(guest)
    nodes = [cdev(guest, address) for address in (NIC_A, NIC_B)]
    refused = guest.run(f"{AS_USER} vfio-probe hold-cdev {' '.join(nodes)}", check=False)
    expect("cannot open /dev/iommu" in refused.stderr and "errno 13" in refused.stderr, f"/dev/iommu is everybody's: {refused}")
    line = guest.out("vfio-bindctl export lan --for qemu --iommufd")
    version = int(re.search(r"version (\d+)", guest.out("qemu-system-x86_64 --version")).group(1))
    with iommu_is_the_users(guest):
        with held(guest, *nodes, before=AS_USER):
            pass
        result = guest.run(f"{AS_USER} {QEMU} {line}", 120, check=False, stdin=b"info qtree\nquit\n")
        if version < 9:
            expect(result.code != 0 and "iommufd" in result.stderr, f"QEMU {version} knows iommufd: {result}")
        else:
            expect(result.code == 0 and result.stdout.count("dev: vfio-pci") == 2, f"QEMU {version}: {result}")
    said = ctl(guest, "export lan --for crosvm --iommufd", 2)
    expect("how crosvm would be told" in said, f"the refusal for crosvm is: {said}")
    guest.expect_drivers({NIC_A: "vfio-pci", NIC_B: "vfio-pci"}, guest.pristine)


@scenario("iommufd-cdi-gives-cdevs-by-choice", boot="iommufd", named=True)
def cdi(guest):
    bound_lan(guest)
    read = "cat /run/cdi/vfio-bind.json"

    def nodes(spec):
        return [edit["path"] for one in (*spec["devices"], spec) for edit in one["containerEdits"]["deviceNodes"]]

    expect(nodes(json.loads(guest.out(read))) == [f"/dev/vfio/{guest.group(NIC_A)}", "/dev/vfio/vfio"], "the group's node is not the default")
    guest.configure('[publish]\ncdi-nodes = "cdev"\n' + RULE)
    wanted = [cdev(guest, NIC_A), cdev(guest, NIC_B), "/dev/iommu"]
    guest.wait_until(lambda: nodes(json.loads(guest.out(read))) == wanted, 20, f"the spec to have {wanted}")
