// SPDX-License-Identifier: LGPL-2.1-or-later
/// Makes the views of what the core has.
#pragma once

#include "view/views.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vfiobind {

class Core;

DeviceView deviceView(const Core& core, const Address& address);
DeviceDetails deviceDetails(const Core& core, const Address& address);
GroupView groupView(const Core& core, unsigned group);
/// /sys/kernel/iommu_groups/N/type; empty if the kernel has no such file.
std::string groupType(const Core& core, unsigned group);
ManagerView managerView(const Core& core);
std::vector<std::uint32_t> jobIds(const Core& core);

} // namespace vfiobind
