// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace vfiobind {

/// Prints what the configuration would have done on this machine, and touches nothing. Gives the exit code:
/// 0, or 1 when the configuration is invalid, or another file than /etc/vfio-bind.toml is named and not
/// there.
int dryRun(const std::string& configFile);

} // namespace vfiobind
