// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which processes hold a group's VFIO devices open.
#pragma once

#include "guard/processes.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// A process that holds a group. Its program is for everybody to know, its command for root and the user
/// whose process it is.
struct Holder {
    unsigned pid = 0;
    unsigned uid = 0;
    std::string program; ///< `qemu-system-x86`
    std::string command; ///< `qemu-system-x86 (VM win11)` where the command line tells the VM's name
    bool operator==(const Holder&) const = default;
};

/// The group's node (`/dev/vfio/22`) or, for a no-IOMMU group, `/dev/vfio/noiommu-0`; empty when there is
/// none. Nodes are looked for, never opened: opening is exclusive, and a VM that starts just then would fail
/// (doc/kernel.md 8).
std::string groupNode(const Sysfs& sysfs, unsigned group);

/// The device's character device (`/dev/vfio/devices/vfio0`), empty when there is none.
std::string vfioDeviceNode(const Sysfs& sysfs, const Address& device);

/// The number of the group's node, by its name in /sys/class/vfio (`22`, `noiommu-0`); nothing where VFIO
/// does not have the group.
SysResult<std::optional<DeviceNumber>> vfioGroupNumber(const Sysfs& sysfs, const std::string& group);
/// Those of the character devices in `<folder>/vfio-dev`; none without CONFIG_VFIO_DEVICE_CDEV.
SysResult<std::set<DeviceNumber>> vfioDeviceNumbers(const Sysfs& sysfs, const std::string& folder);

/// Processes that have the group's node or a member's character device open (Programs::openersOf), whatever
/// driver has made these. What tells of the nodes and cannot be read is among the unreadable.
Openers vfioOpeners(const Sysfs& sysfs, const Topology& topology, unsigned group, Programs& programs);
/// Each process once.
std::vector<Holder> holdersAmong(const Openers& openers);
/// Both in one; processes that cannot be looked at are left out.
std::vector<Holder> holders(const Sysfs& sysfs, const Topology& topology, unsigned group);

} // namespace vfiobind
