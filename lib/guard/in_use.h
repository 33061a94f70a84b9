// SPDX-License-Identifier: LGPL-2.1-or-later
/// Devices of a function that processes have open, whatever class they are of.
#pragma once

#include "guard/blocker.h"
#include "guard/device_nodes.h"
#include "guard/processes.h"

#include <vector>

namespace vfiobind {

/// Of the function's nodes those that matter here and that the kernel does not count as open to nobody
/// (guard/idle.h): disks, VFIO's own and mediated devices have guards of their own.
SysResult<std::vector<DeviceNode>> usableNodes(const Sysfs& sysfs, const Address& device);

/// `display-in-use`, `sound-in-use`, or for every other kind `in-use`, with the processes, the nodes and
/// their kinds. Who lets go by itself does not count: udevd with what it runs looks into each device that
/// comes, and logind watches the keys of keyboards.
Blockers inUseBlockers(const Sysfs& sysfs, const Address& device, const std::vector<DeviceNode>& nodes,
                       const Openers& openers);

} // namespace vfiobind
