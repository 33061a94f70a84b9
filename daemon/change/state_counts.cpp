// SPDX-License-Identifier: LGPL-2.1-or-later
#include "change/state_counts.h"

namespace vfiobind {

bool StateCounts::count(unsigned group, const std::string& state) {
    const auto counted = states_.find(group);
    if (state == (counted != states_.end() ? counted->second : "native"))
        return false;
    if (counted != states_.end()) {
        if (const auto count = counts_.find(counted->second); --count->second == 0)
            counts_.erase(count);
        states_.erase(counted);
    }
    if (state != "native") {
        ++counts_[state];
        states_.emplace(group, state);
    }
    return true;
}

} // namespace vfiobind
