// SPDX-License-Identifier: LGPL-2.1-or-later
/// A rule as a drop-in of the configuration, in TOML.
#pragma once

#include "config/policy.h"
#include "pci/address.h"
#include "pci/ids.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

struct DropInRule {
    std::string name;
    /// All endpoints of one group. Each is named by its address and its ids, so that another card in the slot
    /// is refused, and by its ids among the members, so that another card in the group is.
    std::vector<std::pair<Address, Ids>> devices;
    std::optional<std::string> driver;
    std::optional<Method> method;
    std::vector<std::string> allow; ///< blocker codes; one that stands twice is written once
};

/// What parsePolicy() reads as this rule. `comment` is the text above it, lines without `#`.
std::string toToml(const DropInRule& rule, const std::vector<std::string>& comment);

} // namespace vfiobind
