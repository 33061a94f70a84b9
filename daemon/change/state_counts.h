// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>

namespace vfiobind {

/// How many groups are in each state except native. Counts are kept up to date, not made anew, so that an
/// event costs the same on a machine with a thousand groups.
class StateCounts {
public:
    /// Records the group's state. Returns whether the state differs from the last one recorded.
    bool count(unsigned group, const std::string& state);
    const std::map<std::string, unsigned>& all() const { return counts_; }

private:
    std::map<unsigned, std::string> states_; ///< the recorded states but native, by group
    std::map<std::string, unsigned> counts_;
};

} // namespace vfiobind
