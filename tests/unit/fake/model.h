// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a test says of the machine that the fake kernel is to be: devices, drivers, modules, processes,
/// faults.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// Ids as a driver's id table or `new_id` has them. Unset is PCI_ANY_ID.
struct FakeId {
    std::optional<std::uint32_t> vendor;
    std::optional<std::uint32_t> device;
    std::optional<std::uint32_t> subsystemVendor;
    std::optional<std::uint32_t> subsystemDevice;
    std::uint32_t classCode = 0;
    std::uint32_t classMask = 0;

    /// Reads `10de:`, `8086:10d3`, `:` (everything), and `10de::0300`, `::010802` with a class of two, four
    /// or six digits, as lspci -d and driver tables have them. Throws std::invalid_argument.
    static FakeId parse(const std::string& text);
};

/// A PCI driver, and the module that it comes with.
struct FakeDriver {
    std::string name;
    std::string module;             ///< empty: compiled in, without an entry in /sys/module
    std::vector<std::string> ids{}; ///< the static table, as FakeId::parse reads it
    /// Entries that match only a device whose override names this driver (`vfio_pci:` in modules.alias).
    std::vector<std::string> overrideOnlyIds{};
    bool managedDma = false; ///< `driver_managed_dma`: leaves its group viable
    bool portsOnly =
        false;         ///< its probe takes PCI Express ports only, as pcieport's does (pcie_portdrv_probe)
    bool vfio = false; ///< hands its devices to user space: vfio-pci and variants
    std::string vfioName{}; ///< what it writes into the VFs' overrides; the driver's name where empty
    bool sriov = false;     ///< has `sriov_configure`
    bool keepsVfs = false;  ///< leaves SR-IOV on when it is unbound (nvme does)
    int probeError = 0;     ///< errno that every probe ends with; 517 is EPROBE_DEFER
    bool builtIn = false;   ///< the module has parameters only, no `initstate`, and cannot be unloaded
};

/// A PCI function. `addDevice` puts it there as it is; `hotplug` lets the kernel find it.
struct FakeDevice {
    std::string address;
    std::string ids; ///< `10de:1284`
    std::string subsystem = "0000:0000";
    std::uint32_t classCode = 0; ///< 24 bits
    std::optional<unsigned> group{};
    std::string driver{};                     ///< bound now; must be registered
    std::string driverOverride{};             ///< empty: unset
    std::optional<std::uint8_t> headerType{}; ///< 1 for class 0604 and 0 else where unset
    std::optional<unsigned> secondaryBus{};   ///< of a bridge; the next free one of the domain where unset
    bool bootVga = false;
    int numaNode = -1;
    std::string resetMethods = "flr bus";
    std::string resources{}; ///< the `resource` file; no BARs where empty
    std::string powerState = "D0";
    bool dead = false;        ///< config space reads all ff
    bool port = true;         ///< a bridge is a PCI Express port; false for one to a conventional bus
    unsigned totalVfs = 0;    ///< more than 0 makes it a PF
    std::string vfIds{};      ///< ids of its VFs
    unsigned vfOffset = 0x10; ///< First VF Offset of the SR-IOV capability, in functions
    unsigned vfStride = 1;    ///< VF Stride
};

/// One uevent as the kernel sends it.
struct FakeUevent {
    std::string action;    ///< add, bind, unbind, remove, change
    std::string subsystem; ///< pci, vfio, vfio-dev
    std::string devpath;   ///< below /sys
    std::map<std::string, std::string> properties;
    /// `bind pci 0000:01:00.0`, `add vfio 22`
    std::string str() const;
};

/// A write that the program under test made.
struct FakeWrite {
    std::string path;
    std::string data;
    int result = 0; ///< 0, an errno, or one of these
    static constexpr int hung = -1;
    static constexpr int killed = -2;
    bool operator==(const FakeWrite&) const = default;
    std::string str() const; ///< `path <- data: EBUSY`
};

/// What goes wrong at a write.
struct Fault {
    enum class Kind {
        error,      ///< fails with `code`, nothing happens
        vanish,     ///< the device is gone when the write arrives; the errno is the kernel's
        killBefore, ///< the process dies before the write
        killAfter,  ///< the process dies when the write has taken effect
        hang,       ///< the write does not return
    };
    Kind kind = Kind::error;
    int code = 0;
    std::string device{}; ///< which device vanishes; the one the write is about where empty
    static Fault error(int code) { return {.kind = Kind::error, .code = code}; }
    static Fault vanish(std::string device = {}) {
        return {.kind = Kind::vanish, .device = std::move(device)};
    }
    static Fault killBefore() { return {.kind = Kind::killBefore}; }
    static Fault killAfter() { return {.kind = Kind::killAfter}; }
    static Fault hang() { return {.kind = Kind::hang}; }
};

/// A device that has a node.
struct FakeNode {
    std::string place;      ///< below /sys/devices: `pci0000:00/0000:00:01.0/drm/card0`
    std::string subsystem;  ///< `drm`; `block` makes it a block device
    std::string number;     ///< `226:0`
    std::string name;       ///< below /dev: `dri/card0`; none where empty
    std::string category{}; ///< `bus` where the subsystem is a bus (`usb`) and no class
};

/// A process that has a device open.
struct FakeOpen {
    int pid = 0;
    std::string program;
    std::string number; ///< `226:0`
    std::string shownAs = "/dev/node";
    bool block = false;
    unsigned uid = 0;
    int fd = 7;
    int thread = 0; ///< whose table of descriptors it is; the process's where 0
    std::string path() const;
};

/// A process that uses devices through VFIO.
struct FakeHolder {
    int pid = 0;
    unsigned uid = 0;
    std::string comm = "qemu-system-x86";
    std::string cmdline = "qemu-system-x86_64 -name guest=demo"; ///< words separated by blanks
    std::optional<unsigned> group{};                             ///< opens /dev/vfio/N
    std::string cdev{};                                          ///< or opens the cdev of this device
    /// Members whose device fd it opens; all that are on a vfio driver where unset.
    std::optional<std::vector<std::string>> devices{};
};

enum class FakeVersion { v6_1, v6_12 };

} // namespace vfiobind
