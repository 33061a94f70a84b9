# SPDX-License-Identifier: LGPL-2.1-or-later
"""What vfio-bindctl export prints is given to the programs that it is for: QEMU, libvirt and podman, inside the guest."""

import contextlib
import json
import re
import shlex

from boots import AUDIO, GPU
from guest import expect, sysfs
from scenarios import scenario
from scenarios_bind import BOUND, GPU_RULE
from scenarios_ctl import ctl

MONITOR = "/run/export-monitor"
QEMU = "qemu-system-x86_64 -machine q35,accel=tcg -m 64 -nodefaults -display none"
# What the firmware prints when it has given the buses their numbers: before, `info pci` shows nothing behind a port.
BUSES_ARE_NUMBERED = "PCI new allocation pass #1"

ASK_MONITOR = f"""\
import socket
monitor = socket.socket(socket.AF_UNIX)
monitor.connect("{MONITOR}")
monitor.sendall(b"info pci\\nquit\\n")
while data := monitor.recv(65536):
    print(data.decode(), end="")
"""

DOMAIN = """\
<domain type='qemu'>
  <name>export</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {hostdevs}
  </devices>
</domain>
"""
VIRSH = "virsh --connect qemu:///system"


def export(guest, what, target=GPU):
    return guest.out(f"vfio-bindctl export {target} --for {what}")


@contextlib.contextmanager
def only_the_gpu_bound(guest):
    """By hand, and its audio function with the native driver: a group that is not viable."""
    expect(guest.driver(AUDIO) not in ("", "vfio-pci"), f"{AUDIO} has no native driver: nothing would be shown")
    guest.run(f"modprobe vfio-pci; echo vfio-pci > {sysfs(GPU, 'driver_override')}; "
              f"echo {GPU} > {sysfs(GPU, 'driver/unbind')}; echo {GPU} > /sys/bus/pci/drivers_probe", 20)
    try:
        expect(guest.driver(GPU) == "vfio-pci", f"the rig could not bind {GPU} by hand")
        yield
    finally:
        guest.run(f"echo > {sysfs(GPU, 'driver_override')}; echo {GPU} > {sysfs(GPU, 'driver/unbind')}; "
                  f"echo {GPU} > /sys/bus/pci/drivers_probe", 20, check=False)


@scenario("export-is-refused-while-native")
def refused(guest):
    said = ctl(guest, f"export {GPU} --for qemu", 3)
    for word in (GPU, AUDIO, "is not bound", "vfio-bindctl bind"):
        expect(word in said, f"the refusal does not say '{word}': {said}")
    ctl(guest, "export 0000:77:00.0 --for qemu", 1)
    ctl(guest, f"export {GPU} --for no-such-program", 2)
    answer = json.loads(guest.run(f"vfio-bindctl --json export {GPU} --for qemu", check=False).stdout)
    expect("is not bound" in answer["error"]["message"], f"--json says {answer}")


# case 1
@scenario("export-names-the-whole-group")
def whole_group(guest):
    guest.done("Bind", GPU)
    node = f"/dev/vfio/{guest.group(GPU)}"
    for what in ("qemu", "libvirt", "cloud-hypervisor", "docker", "podman", "kata", "crosvm", "opennebula",
                 "cdi", "kubevirt", "nova", "proxmox", "incus"):
        text = export(guest, what, AUDIO)
        if what == "cdi":
            devices = json.loads(text)["devices"]
            expect([edit["path"] for device in devices for edit in device["containerEdits"]["deviceNodes"]] == [node],
                   f"cdi: not {node} alone in: {text}")
        elif what == "kubevirt":
            ids = ["1234:1111", "8086:2668"]
            expect(re.findall(r'pciVendorSelector: "(.*)"', text) == ids, f"kubevirt: not {ids} in: {text}")
        elif what == "proxmox":
            host = guest.out("uname -n").split(".")[0]
            expect(f"\tmap node={host},path={GPU.removesuffix('.0')},id=1234:1111,subsystem-id=" in text,
                   f"proxmox: not the whole card in: {text}")
        elif what in ("docker", "podman", "kata"):
            expect(node in text.split(), f"{what}: {node} is not in: {text}")
        elif what == "libvirt":
            found = re.findall(r"bus='0x01' slot='0x00' function='0x([01])'", text)
            expect(found == ["0", "1"] and node in text, f"libvirt: not both functions and {node} in: {text}")
        else:
            short = [address.removeprefix("0000:") for address in (GPU, AUDIO)]
            expect(all(address in text for address in short), f"{what}: not both functions in: {text}")
    said = guest.run(f"vfio-bindctl export {GPU} --for cloud-hypervisor").stderr
    expect(f"{GPU} has neither MSI nor MSI-X" in said and AUDIO not in said, f"cloud-hypervisor: the warning is: {said}")
    arguments = json.loads(guest.out(f"vfio-bindctl --json export {GPU} --for qemu"))["arguments"]
    expect(shlex.join(arguments) == export(guest, "qemu"), f"--json has other arguments: {arguments}")


@scenario("export-qemu", boot="vmm", seconds=420, named=True)
def qemu(guest):
    guest.done("Bind", GPU)
    line = export(guest, "qemu")
    guest.done("Release", GPU)
    with only_the_gpu_bound(guest):
        result = guest.run(f"{QEMU} -S -monitor stdio {line}", 60, check=False, stdin=b"quit\n")
        expect(result.code == 1 and "not viable" in result.stderr, f"with half a group, QEMU: {result}")
    guest.done("Bind", GPU)
    stream = guest.machine.start_stream(
        f"{QEMU} -chardev stdio,id=firmware -device isa-debugcon,iobase=0x402,chardev=firmware "
        f"-monitor unix:{MONITOR},server=on,wait=off {line}")
    try:
        stream.wait(lambda text: BUSES_ARE_NUMBERED in text, 150, what="the firmware to number the buses")
        shown = guest.out(shlex.join(["python3", "-c", ASK_MONITOR]), 60)
        expect(stream.wait_end(30) == 0, "QEMU did not end well")
    finally:
        stream.signal()
    for function, ident in ((0, "1234:1111"), (1, "8086:2668")):
        expect(re.search(rf"device +0, function {function}:\s+[^\n]*PCI device {ident}", shown),
               f"`info pci` does not show function {function} as {ident}: {shown}")
    guest.expect_drivers(BOUND, guest.pristine)


@contextlib.contextmanager
def domain(guest, hostdevs):
    guest.put("/run/export.xml", DOMAIN.format(hostdevs=hostdevs))
    guest.run(f"{VIRSH} create /run/export.xml", 120)
    try:
        expect(guest.out(f"{VIRSH} domstate export", 30) == "running", "the domain does not run")
        yield
    finally:
        guest.run(f"{VIRSH} destroy export", 60, check=False)


@scenario("export-libvirt", boot="vmm", seconds=420, named=True)
def libvirt(guest):
    """With managed='no' libvirt takes the group as it is, and leaves it so."""
    # One that remembers a group from before leaves it with vfio-pci (seen with 9.0).
    guest.run("systemctl restart libvirtd", 90)
    guest.done("Bind", GPU)
    with domain(guest, export(guest, "libvirt")):
        guest.expect_drivers(BOUND, guest.pristine)
        expect(guest.state(GPU) == "bound", f"while the domain runs the group is '{guest.state(GPU)}'")
        said = ctl(guest, f"release {GPU}", 3)
        expect("qemu" in said, f"the refusal to release does not name QEMU: {said}")
    guest.expect_drivers(BOUND, guest.pristine)
    expect(guest.state(GPU) == "bound", f"after the domain's end the group is '{guest.state(GPU)}'")
    guest.done("Release", GPU)
    guest.expect_drivers({}, guest.pristine)


# case 45
@scenario("export-libvirt-managed", boot="vmm", seconds=420, named=True)
def libvirt_managed(guest):
    """With managed='yes' libvirt binds and gives back; both programs leave alone what is the other's."""
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    managed = export(guest, "libvirt").replace("managed='no'", "managed='yes'")
    guest.run("systemctl restart libvirtd", 90)
    with domain(guest, managed):
        guest.expect_drivers(BOUND, guest.pristine)
    guest.wait_state(GPU, "bound")
    guest.expect_drivers(BOUND, guest.pristine)

    guest.configure("")
    guest.done("Release", GPU)
    guest.run("systemctl restart libvirtd", 90)
    with domain(guest, managed):
        guest.expect_drivers(BOUND, guest.pristine)
        expect(guest.state(GPU) == "native", f"what libvirt bound is '{guest.state(GPU)}', as if it were ours")
    guest.expect_drivers({}, guest.pristine)


# case 54
@scenario("export-podman", boot="vmm", seconds=420, named=True)
def podman(guest):
    """A user other than root opens the group in a container with the exported options."""
    guest.configure(GPU_RULE + 'node = { group = "kvm", mode = "0660" }\n')
    guest.wait_state(GPU, "bound")
    guest.run("udevadm settle", 60)
    number, kvm = guest.group(GPU), guest.out("getent group kvm").split(":")[2]
    # The probe is linked statically: it is all that the container's root needs.
    root = "/var/tmp/export-root"
    guest.run(f"mkdir -p {root}/bin {root}/dev {root}/etc {root}/proc {root}/run {root}/sys {root}/tmp && "
              f"cp /usr/local/bin/vfio-probe {root}/bin")
    run = "podman run --rm --network=none --user 1234:1234 --group-add " + kvm

    def inside(options, probe):
        return guest.run(f"{run} {options} --rootfs {root} /bin/vfio-probe {probe}", 120, check=False)

    without = inside("", f"status {number}")
    expect(without.code == 1 and "cannot open" in without.stderr, f"without the options: {without}")
    options = export(guest, "podman", "guest-gpu")
    status = inside(options, f"status {number}")
    expect(status.code == 0 and status.stdout.strip() == "viable", f"with the options: {status}")
    # Standard input is empty, so that it holds the device no longer than it takes to say so.
    hold = inside(options, f"hold {number} {GPU}")
    expect(hold.code == 0 and hold.stdout.strip() == "holding", f"with the options: {hold}")


@scenario("publish-cdi-podman", boot="vmm", seconds=420, named=True)
def cdi(guest):
    """A container is given a group by the name of its rule, as root."""
    guest.configure(GPU_RULE)
    guest.wait_state(GPU, "bound")
    number = guest.group(GPU)
    root = "/var/tmp/export-root"
    guest.run(f"mkdir -p {root}/bin {root}/dev {root}/etc {root}/proc {root}/run {root}/sys {root}/tmp && "
              f"cp /usr/local/bin/vfio-probe {root}/bin")
    rule = re.search('name = "([^"]+)"', GPU_RULE)[1]
    run = f"podman run --rm --network=none --device vfio.bind/group={rule} --ulimit memlock=-1 --rootfs {root} /bin/vfio-probe"
    status = guest.run(f"{run} status {number}", 120, check=False)
    expect(status.code == 0 and status.stdout.strip() == "viable", f"by the CDI name: {status}")
    hold = guest.run(f"{run} hold {number} {GPU}", 120, check=False)
    expect(hold.code == 0 and hold.stdout.strip() == "holding", f"by the CDI name: {hold}")
    guest.done("Release", GPU)
    gone = guest.run(f"{run} status {number}", 120, check=False)
    expect(gone.code != 0 and "unresolvable CDI devices" in gone.stderr, f"after the release: {gone}")
