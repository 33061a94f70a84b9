// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which modules serve a device natively, also one that is not in the machine.
#pragma once

#include "import/found.h"

#include <set>

namespace vfiobind::ctl {

class NativeModules {
public:
    /// Of what the claims name, and of what shares a group with it: by the drivers in use, by modules.alias
    /// of the kernels that are installed, and, of modules that need not be installed, by the names that
    /// guides have.
    NativeModules(const ImportContext& context, const std::vector<Claim>& claims);
    bool has(const std::string& module) const { return modules_.contains(module); }

private:
    std::set<std::string> modules_;
};

} // namespace vfiobind::ctl
