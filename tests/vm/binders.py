# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tools that hand PCI devices to vfio-pci, each by the commands that its users type. Another tool is another Binder.

Commands are for a shell in the guest. Where a tool has no way back, `release` is None.
"""

import dataclasses
import re
import shlex

from guest import CONFIG, NO_RULES
from guides import SCRIPT

DAEMON = "vfio-bind.service"
WATCH = "vfio-bind-watch.service"
LIBVIRT = "libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket"
DRIVERCTL_RULE = "/etc/udev/rules.d/89-vfio-uio.rules"


def each(command):
    """The same command for one function after another; it goes on after a failure, and tells of it."""
    def commands(addresses):
        return "code=0; " + "; ".join(f"{command.format(shlex.quote(a))} || code=$?" for a in addresses) + "; exit $code"
    return commands


def virsh(verb):
    return lambda addresses, *_: each("virsh -q -c qemu:///system " + verb + " {}")(
        ["pci_" + re.sub("[:.]", "_", address) for address in addresses])


def give_back(command):
    return lambda addresses, _: each(command)(addresses)


@dataclasses.dataclass(frozen=True)
class Binder:
    name: str
    version: str                    # a command that prints it
    bind: object                    # of a list of addresses, the command
    release: object = None          # of a list of addresses and of their native drivers, the command
    before: str = ""                # what runs, or is in force, while this tool is tried
    after: str = ""
    processes: str = ""             # what does its work, besides the command itself: a pattern of pkill(1)
    remark: str = ""                # a sentence without which the table would say too much


BINDERS = (
    Binder(name="vfio-bindctl",
           version="vfio-bindctl --version",
           bind=each("vfio-bindctl bind {}"),
           release=give_back("vfio-bindctl release {}"),
           before=f"printf '{NO_RULES.strip()}\\n' > {CONFIG}; systemctl start {DAEMON} {WATCH}",
           after=f"systemctl stop {DAEMON} {WATCH}",
           processes="vfio-bind-work|vfio-bindd"),
    Binder(name="driverctl",
           version="dpkg-query -f 'driverctl ${Version}' -W driverctl",
           bind=each("driverctl --nosave set-override {} vfio-pci"),
           release=give_back("driverctl --nosave unset-override {}"),
           before=f"rm -f {DRIVERCTL_RULE}; udevadm control --reload",
           after=f"ln -sf /dev/null {DRIVERCTL_RULE}; udevadm control --reload"),
    Binder(name="virsh nodedev",
           version="echo virsh $(virsh --version)",
           bind=virsh("nodedev-detach"),
           release=virsh("nodedev-reattach"),
           before="systemctl start libvirtd.service; virsh -q -c qemu:///system nodedev-list --cap pci",
           after=f"systemctl stop {LIBVIRT}",
           processes="libvirtd"),
    Binder(name="dpdk-devbind",
           version="dpkg-query -f 'dpdk ${Version}' -W dpdk",
           bind=lambda addresses: "dpdk-devbind.py -b vfio-pci " + " ".join(map(shlex.quote, addresses)),
           remark="dpdk-devbind knows network cards and accelerators, and refuses all else: of disks and displays its yes says no more.",
           release=lambda addresses, natives: "code=0; " + "; ".join(
               f"dpdk-devbind.py -b {natives[a]} {a} || code=$?" for a in addresses) + "; exit $code"),
    Binder(name="the guides' script",
           version="echo unbind and new_id",
           bind=lambda addresses: f"sh -c {shlex.quote(SCRIPT)} guides " + " ".join(map(shlex.quote, addresses))),
)
