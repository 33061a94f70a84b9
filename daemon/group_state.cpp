// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group_state.h"

#include <algorithm>

namespace vfiobind {

std::string groupState(const StateInputs& in) {
    if (in.stuck)
        return "stuck";
    if (in.binding)
        return "binding";
    if (in.releasing)
        return "releasing";
    if (in.unresolved)
        return "partial";
    if (!in.wanted && !in.owned)
        return "native";
    if (in.endpoints > 0 && in.handedOver == in.endpoints)
        return "bound";
    if (in.lost > 0)
        return "drifted";
    if (in.handedOver > 0)
        return "partial";
    return in.blocked ? "blocked" : "native";
}

unsigned handedOver(const Topology& topology, unsigned group, const std::string& driver,
                    const Drivers& drivers) {
    const auto endpoints = topology.endpoints(group);
    const auto named = driver == "auto" ? std::string{} : drivers.resolve(driver);
    return static_cast<unsigned>(std::ranges::count_if(endpoints, [&](const Device* device) {
        return named.empty() ? isVfioDriver(device->driver) : device->driver == named;
    }));
}

} // namespace vfiobind
