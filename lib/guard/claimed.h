// SPDX-License-Identifier: LGPL-2.1-or-later
/// The last question about disks: whether the kernel has one claimed.
#pragma once

#include "guard/blocker.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <string>
#include <vector>

namespace vfiobind {

/// Opens each disk of the group exclusively for a moment (Sysfs::openExclusively()): the kernel itself
/// answers EBUSY where a mount, device-mapper, MD, swap, an export or a program claims it or a partition of
/// it. Any other error counts as "cannot be told". It is for the moment right before the first write, since
/// somebody who mounts the disk just then is refused.
///
/// Nothing is asked where one of the codes for disks is taken on oneself: the disk is then known to be in
/// use.
Blockers claimedDisks(const Sysfs& sysfs, const Topology& topology, unsigned group,
                      const std::vector<std::string>& allow);

} // namespace vfiobind
