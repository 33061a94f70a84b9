// SPDX-License-Identifier: LGPL-2.1-or-later
/// One PCI function as it stands.
#pragma once

#include "pci/address.h"
#include "pci/ids.h"
#include "pci/selector.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// What `driver_override` holds. The kernel prints "(null)" or nothing for unset (doc/kernel.md 1, case 29).
struct DriverOverride {
    /// Reading takes the device's lock on Linux 6.1 and may block: it is read by workers only, and is
    /// unknown until one has told.
    bool known = false;
    std::string value; ///< empty: unset
    bool operator==(const DriverOverride&) const = default;
};

struct Device {
    Address address;
    Ids ids;
    std::string driver;      ///< name of the bound driver, empty for none
    bool vfioDevice = false; ///< the kernel has a VFIO device for it: `vfio-dev/` is there (doc/kernel.md 12)
    std::optional<unsigned> group;
    std::string path;                        ///< bridge path, `0000:00/01.0/00.0`
    bool bridge = false;                     ///< header type 1 or 2: never handed over
    std::optional<Address> physicalFunction; ///< set on a VF
    std::vector<Address> virtualFunctions;   ///< on a PF, those that exist now, in order of VF number
    DriverOverride driverOverride;
    std::string serial; ///< PCI Express serial number as parseSerial() has it; empty: none, or not known

    bool operator==(const Device&) const = default;

    DeviceFacts facts() const { return {address, ids, path, serial}; }

    /// Whether the group is bound only when this device is: every function but bridges and host bridges
    /// (cases 2, 3, 4). Other class 06 devices with header type 0, an NVSwitch say, are endpoints. A host
    /// bridge stays where it is: with a driver such as EDAC's it makes its group not viable (case 5).
    bool endpoint() const;

    /// Whether its driver hands it to user space through VFIO. The kernel tells it since Linux 6.1 whatever
    /// the driver is called; before, the driver's name is all there is.
    bool onVfio() const;

    /// Whether a driver's name, such as an override, is that of one of VFIO's: the driver that has the device
    /// is known by onVfio(), of another the name is all there is.
    bool isVfios(std::string_view name) const;

    /// `/sys/bus/pci/devices/0000:01:00.0`
    std::string sysfsPath() const;
};

/// Whether the name is that of a driver that hands devices to user space through VFIO: vfio-pci or a variant.
/// Variant drivers are told by their name's `vfio` part (`mlx5_vfio_pci`, `hisi-acc-vfio-pci`). For names of
/// which no device is known, such as those in another program's files; of a device ask Device::onVfio().
bool isVfioDriver(std::string_view driver);

/// Whether the device's driver leaves its group viable for VFIO: vfio drivers, pci-stub, and those with
/// `driver_managed_dma` (pcieport; drivers/pci/pcie/portdrv.c), or no driver at all. pci-pf-stub does not
/// (doc/kernel.md 7).
bool keepsGroupViable(const Device& device);

} // namespace vfiobind
