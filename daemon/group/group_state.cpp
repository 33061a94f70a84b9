// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group/group_state.h"

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

} // namespace vfiobind
