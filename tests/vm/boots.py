# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machines that the rig can boot, as data. Another machine is another Boot, not another program."""

import dataclasses

# What is where in the guest. The root ports have fixed slots, so SeaBIOS gives their buses these numbers.
GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"            # one group: two functions of one card
BRIDGE, NIC_A, NIC_B = "0000:02:00.0", "0000:03:01.0", "0000:03:02.0"   # one group: a conventional PCI bus
TWIN_A, TWIN_B = "0000:04:00.0", "0000:05:00.0"        # two identical NICs, a group each
NVME = "0000:06:00.0"                                  # SR-IOV, up to 8 VFs
ROOT_DISK = "0000:00:03.0"
HOTPLUG_PORTS = ("rp6", "rp7", "rp8", "rp9")           # empty root ports: buses 07 to 0a
HOTPLUGGED = "0000:07:00.0"                            # what is plugged into the first of them
HOTPLUGGED_MODEL, HOTPLUGGED_ID = "vmxnet3", "15ad:07b0"    # an id that no other device has

GPU_ID, AUDIO_ID = "1234:1111", "8086:2668"
NIC_ID, TWIN_ID, NVME_ID = "8086:100e", "8086:10d3", "1b36:0010"


def _root_port(number):
    return f"pcie-root-port,id=rp{number},bus=pcie.0,addr={number + 4:02x}.0,chassis={number},slot={number}"


ROOT_PORTS = tuple(_root_port(number) for number in range(1, 10))
CARDS = (
    "secondary-vga,bus=rp1,addr=00.0,multifunction=on",
    # Every function says that it is one of several, as on real cards: else it is found again in another group.
    "intel-hda,bus=rp1,addr=00.1,multifunction=on",
    "pcie-pci-bridge,id=pb,bus=rp2",
    "e1000,bus=pb,addr=1",
    "e1000,bus=pb,addr=2",
    "e1000e,bus=rp3",
    "e1000e,bus=rp4",
    "nvme-subsys,id=s0",
)
DISK = ("nvme,subsys=s0,bus=rp5,serial=rig,sriov_max_vfs=8,sriov_vq_flexible=16,sriov_vi_flexible=8,max_ioqpairs=26,"
        "msix_qsize=17",)

# What a host uses, and must not lose.
SCREEN = "0000:00:02.0"                                # the display that the firmware uses
DISK_A, DISK_B = "0000:01:00.0", "0000:02:00.0"        # NVMe, a namespace each
LAN_A, LAN_B = "0000:03:00.0", "0000:04:00.0"
USB = "0000:05:00.0"                                   # with a stick and a keyboard
SERIAL = "0000:06:00.0"                                # a serial port
CARD = "0000:00:1e.0"                                  # another display
USED = (
    "VGA,addr=02.0",
    "secondary-vga,addr=1e.0",
    "e1000e,bus=rp3",
    "e1000e,bus=rp4",
    "qemu-xhci,bus=rp5,id=xhci",
    "usb-storage,bus=xhci.0,drive=s2",
    "usb-kbd,bus=xhci.0",
    "pci-serial,bus=rp6,chardev=nobody",
)
USED_DISKS = ("nvme,bus=rp1,serial=a,drive=s0", "nvme,bus=rp2,serial=b,drive=s1")

COCKPIT_PACKAGES = ("cockpit-ws", "cockpit-bridge", "cockpit-system", "sudo")
LAN = "0000:00:0e.0"                                   # towards the host, which reaches the guest by it: Monitor.forward()

# Eight identical NICs, which only their serial numbers tell apart, and an empty port.
NIC_MACS = tuple(f"52:54:00:ab:cd:{number:02x}" for number in range(1, 9))
NIC_PORT = "rp9"


def nic(number, port):
    return f"e1000e,id=nic{number},bus={port},mac={NIC_MACS[number]}"


NICS = ROOT_PORTS + tuple(nic(number, f"rp{number + 1}") for number in range(8))

VMM_PACKAGES = ("qemu-system-x86", "libvirt-daemon-system", "libvirt-clients", "podman", "crun")

# The kernel of kernel.py, which has no drivers for the other cards.
IOMMUFD_CARDS = ("pcie-pci-bridge,id=pb,bus=rp2", "e1000,bus=pb,addr=1", "e1000,bus=pb,addr=2", "e1000e,bus=rp3", "e1000e,bus=rp4")
IOMMUFD_PACKAGES = ("linux-image-iommufd", "qemu-system-x86")


# Sixteen NICs in as many groups, and one more. There are I/O ports for no more than some ten of the first kind.
MANY_NICS = tuple(f"0000:{bus:02x}:00.0" for bus in range(1, 18))
MANY = tuple(_root_port(number) for number in range(1, 18)) + tuple(
    f"{'e1000e' if number < 10 else 'vmxnet3'},bus=rp{number}" for number in range(1, 18))

# Sixteen functions in as many groups, to be measured with the tools that hand them over today.
BENCH_DISKS = tuple(f"0000:{bus:02x}:00.0" for bus in range(1, 9))
BENCH_NICS = tuple(f"0000:{bus:02x}:00.0" for bus in range(9, 17))
BENCH = tuple(_root_port(number) for number in range(1, 17)) + tuple(
    f"nvme,bus=rp{number},serial=bench{number}" for number in range(1, 9)) + tuple(
    f"e1000e,bus=rp{number}" for number in range(9, 17))
BENCH_PACKAGES = ("driverctl", "libvirt-daemon-system", "libvirt-daemon-driver-qemu", "libvirt-clients", "dpdk")


@dataclasses.dataclass(frozen=True)
class Boot:
    name: str
    suite: str = "bookworm"
    iommu: str = "intel-iommu,intremap=on,caching-mode=on"      # a -device, or "" for none
    cmdline: str = "intel_iommu=on"                             # added to what every boot needs
    devices: tuple[str, ...] = ROOT_PORTS + CARDS               # -device, in this order
    late: tuple[str, ...] = DISK                                # -device, too; plugged into a guest that was restored
    memory: int = 2048                                          # MiB
    cpus: int = 2
    seconds: int = 900                                          # limit until the command channel answers
    disks: int = 0                                              # scratch disks of 256 MiB: drives s0, s1, ...
    extra: tuple[str, ...] = dataclasses.field(default=())      # further arguments of QEMU
    packages: tuple[str, ...] = ()                              # in the guest besides the common ones: an image of its own
    restored: bool = True                                       # whether QEMU can save it (saved.py)


BOOTS = {boot.name: boot for boot in (
    Boot("intel"),
    # The hardware is there and the kernel was not told to use it: the commonest mistake of all.
    Boot("no-iommu", cmdline="intel_iommu=off"),
    Boot("used", devices=ROOT_PORTS + USED, late=USED_DISKS, disks=3, extra=("-chardev", "null,id=nobody")),
    Boot("boots"),      # for the scenarios that boot it again
    # No interrupt of an NVMe disk gets through QEMU's AMD IOMMU: its driver gives up, by itself after a minute.
    Boot("amd", iommu="amd-iommu,intremap=on", cmdline="nvme_core.admin_timeout=5", restored=False),   # "migration is not supported"
    # For what leaves a machine that only a boot mends.
    Boot("wrecked"),
    # Programs that take VFIO devices.
    Boot("vmm", packages=VMM_PACKAGES),
    # For a browser on the host.
    Boot("cockpit", packages=COCKPIT_PACKAGES, extra=("-netdev", "user,id=lan,restrict=on", "-device", "virtio-net-pci,netdev=lan,addr=0e.0")),
    # A kernel with iommufd and cdevs beside groups and containers.
    Boot("iommufd", devices=ROOT_PORTS + IOMMUFD_CARDS, late=(), packages=IOMMUFD_PACKAGES),
    Boot("nics", devices=NICS, late=()),
    # The tools that hand devices over today, and what they must not take.
    Boot("binders", late=("nvme,bus=rp5,serial=rig,drive=s0",), disks=1, packages=BENCH_PACKAGES),
    Boot("many", devices=MANY, late=()),
    # What tests/bench measures.
    Boot("bench", devices=BENCH, late=(), packages=BENCH_PACKAGES),
)}
