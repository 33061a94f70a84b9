// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a target names; what a request may do with it says resolveTarget() of plan/wanted.h.
#pragma once

#include "plan/wanted.h"

#include <expected>
#include <set>
#include <string_view>

namespace vfiobind {

struct Named {
    std::set<Address> devices; ///< what the target matches, of `group/22` the members; bridges too
    std::set<unsigned> groups; ///< those that the devices are in
};

/// Finds what a target names: an address, a rule's name, an id pattern (`10de:1284`), `path:...` or
/// `group/22`. At least one device or group.
std::expected<Named, TargetError> findTarget(std::string_view target, const Policy& policy,
                                             const Topology& topology);

} // namespace vfiobind
