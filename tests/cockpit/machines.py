# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines that the page is shown: as tests/bus/machine_file.h has them."""

GPU, AUDIO = "0000:01:00.0", "0000:01:00.1"
NIC, TWIN = "0000:02:00.0", "0000:03:00.0"
DISK, USB = "0000:04:00.0", "0000:00:14.0"


def port(address, group, bus):
    return {"address": address, "group": group, "secondary-bus": bus}


def device(address, ids, code, group, driver=None, **more):
    one = {"address": address, "ids": ids, "class": code, **more}
    if group is not None:
        one["group"] = group
    if driver:
        one["driver"] = driver
    return one


def drivers(*rows):
    return [{"name": name, "module": name, "ids": ids} for name, *ids in rows]


def standard():
    return {
        "kernel": "6.12",
        "iommu": ["dmar0"],
        "drivers": drivers(("nouveau", "10de::03"), ("snd_hda_intel", "::0403"), ("e1000e", "8086:10d3"), ("nvme", "::0108"),
                           ("xhci_hcd", "::0c03")),
        "root-ports": [port("0000:00:01.0", 0, 1), port("0000:00:1c.0", 2, 2), port("0000:00:1c.1", 4, 3), port("0000:00:1d.0", 7, 4),
                       port("0000:00:1d.4", 8, 5)],
        "devices": [
            device("0000:00:00.0", "8086:29c0", "060000", 6),
            device("0000:00:19.0", "8086:1502", "020000", None),
            device(USB, "8086:a12f", "0c0330", 10, "xhci_hcd"),
            device("0000:00:1f.0", "8086:a145", "060100", 11),
            device("0000:00:1f.4", "8086:a123", "0c0500", 11),
            device(GPU, "10de:1284", "030000", 1, "nouveau", subsystem="1043:8465", **{"numa-node": 0}),
            device(AUDIO, "10de:0e0f", "040300", 1, "snd_hda_intel"),
            device(NIC, "8086:10d3", "020000", 3, "e1000e"),
            device(TWIN, "8086:10d3", "020000", 5, "e1000e"),
            device(DISK, "144d:a808", "010802", 9, "nvme"),
        ],
    }


def without_iommu():
    machine = standard()
    machine["iommu"] = []
    for one in machine["root-ports"] + machine["devices"]:
        one.pop("group", None)
    return machine


def function(number):
    """The address of one of many."""
    return f"{1 + number // 65536:04x}:{number // 256 % 256:02x}:{number // 8 % 32:02x}.{number % 8}"


def many(count):
    """A NIC with virtual functions by the thousand, each in a group of its own."""
    machine = standard()
    machine["drivers"] = drivers(("iavf", "8086:154c"), ("e1000e", "8086:10d3"))
    machine["root-ports"] = []
    machine["devices"] = [device(function(i), "8086:154c", "020000", i, "iavf")
                          for i in range(count)]
    return machine


def boot_display():
    machine = standard()
    next(one for one in machine["devices"] if one["address"] == GPU)["boot-vga"] = True
    return machine


def direct():
    return {**standard(), "reserved-regions": {"3": "0x00000000dd000000 0x00000000ddffffff direct"}}


def named(name):
    return {"boot-display": boot_display, "direct": direct}[name]()
