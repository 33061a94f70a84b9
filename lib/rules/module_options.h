// SPDX-License-Identifier: LGPL-2.1-or-later
/// The `[vfio-pci]` table: options of the vfio modules.
#pragma once

#include "config/policy.h"
#include "sysfs/sysfs.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// An option of a module, and its key in `[vfio-pci]`.
struct ModuleOption {
    const char* module;
    const char* parameter;
    const char* key;
    std::optional<bool> ModuleOptions::* value;
};
/// None where the configuration has no key for it. `-` and `_` are one in the module's name.
const ModuleOption* findModuleOption(std::string_view module, std::string_view parameter);

/// The options for `modprobe.d(5)` that `[vfio-pci]` asks for; empty where it asks for none.
std::string moduleOptionLines(const ModuleOptions& options);

/// Modules that are loaded already with other options (`/sys/module/NAME/parameters`), which the kernel reads
/// at loading only: one sentence each.
std::vector<std::string> otherOptionsInForce(const Sysfs& sysfs, const ModuleOptions& options);

} // namespace vfiobind
