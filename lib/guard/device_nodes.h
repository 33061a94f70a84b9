// SPDX-License-Identifier: LGPL-2.1-or-later
/// The devices below a PCI function that have a node, of whatever class.
#pragma once

#include "pci/address.h"
#include "sysfs/sysfs.h"

#include <string>
#include <vector>

namespace vfiobind {

struct DeviceNode {
    DeviceNumber number;
    std::string kind;  ///< its subsystem: `drm`, `block`, `usb`, `nvme-generic`
    std::string place; ///< `../../devices/pci0000:00/0000:00:01.0/drm/card0`
    bool operator==(const DeviceNode&) const = default;
};

/// Every device with a number at any depth below the function, in order of number: the kernel has a link of
/// each in /sys/dev (device_create_sys_dev_entry() in drivers/base/core.c). With it the nodes of its NVMe
/// subsystems, which lie below no function, and the one of NVIDIA's driver (kind `nvidia`), which sysfs does
/// not know.
SysResult<std::vector<DeviceNode>> nodesBelow(const Sysfs& sysfs, const Address& device);

/// `/dev/dri/card0`, as the kernel names the device's node (DEVNAME of its uevent), or `device 226:0`.
std::string nodeName(const Sysfs& sysfs, const DeviceNode& node);

} // namespace vfiobind
