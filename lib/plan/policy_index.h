// SPDX-License-Identifier: LGPL-2.1-or-later
/// What of a policy a device has to do with, found without comparing it with every selector.
#pragma once

#include "config/policy.h"
#include "config/selector_index.h"
#include "topology/topology.h"

#include <vector>

namespace vfiobind {

/// Of one policy, as it was when this was made.
class PolicyIndex {
public:
    PolicyIndex() = default;
    explicit PolicyIndex(const Policy& policy);

    /// Whether a rule names the device, its slot or its physical function, means such a card in another slot,
    /// or knows another member of its group and says who else may be in it: else its coming, going and
    /// changing change no resolution.
    bool concerns(const Topology& topology, const Device& device) const;

private:
    /// Rules with their `devices`, and rules with all the members that they know of.
    struct Indexed {
        std::vector<Rule> rules;
        SelectorIndex index;
        /// Match::yes if one of the selectors holds, else Match::otherCard if one names the slot.
        Match best(const DeviceFacts& facts) const;
    };
    Indexed named_;
    Indexed known_;
};

} // namespace vfiobind
