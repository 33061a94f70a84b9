// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vfio-bindctl doctor finds of one IOMMU group.
#pragma once

#include "doctor/finding.h"
#include "plan/wanted.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

namespace vfiobind::ctl {

/// Who else is in the group and why; what the guards and the plan say against binding it; and of each device
/// that would be bound: ways to reset it, MSI and MSI-X. `overrides` in the topology are read here. `wanted`
/// is what the rule says that is asked about, or what a bind without options wants. `root`: whoever asks
/// cannot see more than now.
Findings groupFindings(const Sysfs& sysfs, const Topology& topology, unsigned group, bool root,
                       const Wanted& wanted);

} // namespace vfiobind::ctl
