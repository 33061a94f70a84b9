// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which processes hold a group's VFIO devices open.
#pragma once

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
/// (kernel.md 8).
std::string groupNode(const Sysfs& sysfs, unsigned group);

/// The device's character device (`/dev/vfio/devices/vfio0`), empty when there is none.
std::string vfioDeviceNode(const Sysfs& sysfs, const Address& device);

/// Processes with an open descriptor of the group's node or of a member's character device. /proc/PID/fd of
/// other users' processes can be listed with CAP_DAC_READ_SEARCH only; /proc/PID/fdinfo with CAP_SYS_PTRACE,
/// and its `ino:` line (proc_pid_fdinfo(5)) is compared with the nodes as the process sees them, since
/// libvirt gives QEMU a /dev of its own.
std::vector<Holder> holders(const Sysfs& sysfs, const Topology& topology, unsigned group);

} // namespace vfiobind
