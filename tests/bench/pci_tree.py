# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine's PCI functions as files and links, where sysfs has them and with what it has in them.

Eight functions hang behind each root port: a network card with four virtual functions, a graphics card with its audio
function, and the port itself; so machines of all sizes are of one mixture. Groups are as the IOMMU makes them: the two
functions of the graphics card share one, each other function has its own.
"""

import dataclasses
import os
import pathlib
import shutil

PORTS_A_DOMAIN = 31
FUNCTIONS_A_PORT = 8
VFS_A_CARD = 4
DRIVERS = ("pcieport", "ice", "iavf", "nouveau", "snd_hda_intel", "nvme", "ahci", "xhci_hcd", "e1000e", "vfio-pci")


@dataclasses.dataclass
class Function:
    address: str
    ids: str                    # vendor:device
    code: str                   # the class, six digits
    driver: str
    parent: str                 # where it hangs, below /sys/devices
    group: int
    files: dict = dataclasses.field(default_factory=dict)
    links: dict = dataclasses.field(default_factory=dict)

    @property
    def place(self):
        return f"{self.parent}/{self.address}"


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.functions = {}
        self.groups = 0
        for driver in DRIVERS:
            folder = self._folder(f"sys/bus/pci/drivers/{driver}")
            for name in ("bind", "unbind", "new_id", "remove_id", "uevent"):
                (folder / name).write_text("")
        self._folder("sys/class/iommu/dmar0")
        self._folder("sys/bus/pci/devices")
        self._folder("dev/vfio")

    def _folder(self, path):
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def fill(self, count):
        """Whole slots until there are so many functions."""
        assert count % FUNCTIONS_A_PORT == 0
        for slot in range(count // FUNCTIONS_A_PORT):
            self._slot(*divmod(slot, PORTS_A_DOMAIN))
        return self

    def _slot(self, domain, port):
        bus = port + 1
        root = f"pci{domain:04x}:00"
        bridge = self.add(f"{domain:04x}:00:{port + 1:02x}.0", "8086:2030", "060400", "pcieport", root,
                          files={"secondary_bus_number": str(bus), "subordinate_bus_number": str(bus)})
        card = self.add(f"{domain:04x}:{bus:02x}:00.0", "8086:1592", "020000", "ice", bridge.place,
                        files={"sriov_totalvfs": "64", "sriov_numvfs": "0"})
        for index in range(VFS_A_CARD):
            self.add_vf(card, index)
        graphics = self.add(f"{domain:04x}:{bus:02x}:01.0", "10de:1284", "030000", "nouveau", bridge.place,
                            files={"boot_vga": "0"})
        self.add(f"{domain:04x}:{bus:02x}:01.1", "10de:0e0f", "040300", "snd_hda_intel", bridge.place, graphics.group)

    def add_vf(self, card, index):
        """A virtual function, linked with its physical one in both directions. Numbers go on to the next devices."""
        number = 0x80 + index
        vf = self.add(f"{card.address[:-4]}{number >> 3:02x}.{number & 7}", "8086:1889", "020000", "iavf", card.parent,
                      links={"physfn": f"../{card.address}"})
        (self.root / f"sys/devices/{card.place}/virtfn{index}").symlink_to(f"../{vf.address}")
        (self.root / f"sys/devices/{card.place}/sriov_numvfs").write_text(f"{index + 1}\n")
        return vf

    def add(self, address, ids, code, driver, parent, group=None, files=None, links=None):
        if group is None:
            group = self.groups
            self.groups += 1
        self._folder(f"sys/kernel/iommu_groups/{group}/devices")
        (self.root / f"sys/kernel/iommu_groups/{group}/type").write_text("DMA-FQ\n")
        function = Function(address, ids, code, driver, parent, group, files or {}, links or {})
        self.functions[address] = function
        self._write(function)
        return function

    def _write(self, function):
        folder = self._folder(f"sys/devices/{function.place}")
        vendor, device = function.ids.split(":")
        modalias = _modalias(vendor, device, function.code)
        files = {"vendor": f"0x{vendor}", "device": f"0x{device}", "subsystem_vendor": f"0x{vendor}",
                 "subsystem_device": "0x0001", "class": f"0x{function.code}", "modalias": modalias,
                 "driver_override": "(null)", "numa_node": "-1", "enable": "1", "reset_method": "flr bus",
                 "uevent": f"DRIVER={function.driver}\nPCI_CLASS={function.code.lstrip('0')}\n"
                           f"PCI_ID={function.ids.upper()}\nPCI_SLOT_NAME={function.address}\nMODALIAS={modalias}",
                 **function.files}
        for name, text in files.items():
            (folder / name).write_text(text + "\n")
        (folder / "config").write_bytes(bytes(256))
        up = "../" * (len(pathlib.PurePath(function.place).parts) + 1)
        links = {"subsystem": f"{up}bus/pci", "iommu_group": f"{up}kernel/iommu_groups/{function.group}", **function.links}
        for name, target in links.items():
            (folder / name).symlink_to(target)
        (self.root / f"sys/kernel/iommu_groups/{function.group}/devices/{function.address}").symlink_to(
            f"../../../../devices/{function.place}")
        self._bind(function, function.driver)
        (self.root / f"sys/bus/pci/devices/{function.address}").symlink_to(f"../../../devices/{function.place}")

    def _bind(self, function, driver):
        up = "../" * (len(pathlib.PurePath(function.place).parts) + 1)
        (self.root / f"sys/devices/{function.place}/driver").symlink_to(f"{up}bus/pci/drivers/{driver}")
        (self.root / f"sys/bus/pci/drivers/{driver}/{function.address}").symlink_to(f"../../../../devices/{function.place}")
        function.driver = driver

    def rebind(self, function, driver):
        """The function gets another driver, as if somebody had written to bind."""
        (self.root / f"sys/devices/{function.place}/driver").unlink()
        (self.root / f"sys/bus/pci/drivers/{function.driver}/{function.address}").unlink()
        self._bind(function, driver)

    def remove(self, function):
        """It is gone; so is its group, where it was the last one in it."""
        (self.root / f"sys/bus/pci/devices/{function.address}").unlink()
        (self.root / f"sys/bus/pci/drivers/{function.driver}/{function.address}").unlink()
        (self.root / f"sys/kernel/iommu_groups/{function.group}/devices/{function.address}").unlink()
        group = self.root / f"sys/kernel/iommu_groups/{function.group}"
        if not any((group / "devices").iterdir()):
            shutil.rmtree(group)
        folder = self.root / f"sys/devices/{function.place}"
        for entry in os.scandir(folder):
            os.unlink(entry.path)
        folder.rmdir()
        del self.functions[function.address]


def _modalias(vendor, device, code):
    """As the kernel prints it: hexadecimal digits in capitals, the fields' names not."""
    vendor, device, code = vendor.upper(), device.upper(), code.upper()
    return f"pci:v0000{vendor}d0000{device}sv0000{vendor}sd00000001bc{code[:2]}sc{code[2:4]}i{code[4:]}"
