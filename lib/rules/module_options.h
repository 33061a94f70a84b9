// SPDX-License-Identifier: LGPL-2.1-or-later
/// The `[vfio-pci]` table: options of the vfio modules.
#pragma once

#include "config/policy.h"
#include "sysfs/sysfs.h"

#include <string>
#include <vector>

namespace vfiobind {

/// The options for `modprobe.d(5)` that `[vfio-pci]` asks for; empty where it asks for none.
std::string moduleOptionLines(const ModuleOptions& options);

/// Modules that are loaded already with other options (`/sys/module/NAME/parameters`), which the kernel reads
/// at loading only: one sentence each.
std::vector<std::string> otherOptionsInForce(const Sysfs& sysfs, const ModuleOptions& options);

} // namespace vfiobind
