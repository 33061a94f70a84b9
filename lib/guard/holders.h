// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which processes hold a group's VFIO devices open.
#pragma once

#include "guard/processes.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <string>
#include <vector>

namespace vfiobind {

struct Holder {
    unsigned pid = 0;
    std::string command; ///< the VM's name where the command line tells it, else the command
    bool operator==(const Holder&) const = default;
};

/// The group's node (`/dev/vfio/22`) or, for a no-IOMMU group, `/dev/vfio/noiommu-0`; empty when there is
/// none. Nodes are looked for, never opened: opening is exclusive, and a VM that starts just then would fail
/// (doc/kernel.md 8).
std::string groupNode(const Sysfs& sysfs, unsigned group);

/// The device's character device (`/dev/vfio/devices/vfio0`), empty when there is none.
std::string vfioDeviceNode(const Sysfs& sysfs, const Address& device);

/// Processes with an open descriptor of the group's node or of a member's character device
/// (Programs::openersOf).
Openers vfioOpeners(const Sysfs& sysfs, const Topology& topology, unsigned group, Programs& programs);
/// Each process once.
std::vector<Holder> holdersAmong(const Openers& openers);
/// Both in one; processes that cannot be looked at are left out.
std::vector<Holder> holders(const Sysfs& sysfs, const Topology& topology, unsigned group);

} // namespace vfiobind
