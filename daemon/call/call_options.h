// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config/policy.h"

#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// Options of Bind, Release and Check.
struct CallOptions {
    std::optional<std::string> driver;
    std::optional<Method> method;
    std::vector<std::string> allow;
    bool persist = false;
    std::string what; ///< of Acquire
};

} // namespace vfiobind
