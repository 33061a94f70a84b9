// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <map>
#include <string>

namespace vfiobind {

/// How many groups are in each state but native. Kept, not counted anew: an event is to cost the same on a
/// machine with a thousand groups.
class StateCounts {
public:
    /// Returns whether the state is another than the one that was counted last.
    bool count(unsigned group, const std::string& state);
    const std::map<std::string, unsigned>& all() const { return counts_; }

private:
    std::map<unsigned, std::string> states_; ///< those that are counted, by group
    std::map<std::string, unsigned> counts_;
};

} // namespace vfiobind
