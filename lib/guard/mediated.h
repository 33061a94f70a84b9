// SPDX-License-Identifier: LGPL-2.1-or-later
/// Devices that a driver has made of a PCI function for VMs: mdevs and NVIDIA's vGPUs.
#pragma once

#include "guard/blocker.h"
#include "guard/processes.h"
#include "sysfs/sysfs.h"

#include <string>
#include <vector>

namespace vfiobind {

/// An mdev (Documentation/driver-api/vfio-mediated-device.rst): the folder `<function>/<UUID>`.
struct MediatedDevice {
    std::string uuid;
    std::string folder; ///< `/sys/bus/mdev/devices/<UUID>`
    bool operator==(const MediatedDevice&) const = default;
};

/// The mdevs at any depth below the function.
SysResult<std::vector<MediatedDevice>> mediatedDevices(const Sysfs& sysfs, const Address& device);

/// `mediated` with the devices and who uses them, whether or not anybody does: their guests would lose them.
Blockers mediatedBlockers(const Sysfs& sysfs, const Address& device, Programs& programs);

} // namespace vfiobind
