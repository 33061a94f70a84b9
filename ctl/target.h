// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a TARGET of the command line means, for what needs no call to the daemon, and what a rule matches
/// today.
#pragma once

#include "state.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

/// What a target touches. Devices are listed only where they are in no group.
struct Touched {
    std::vector<const GroupState*> groups; ///< in order of number
    std::vector<const DeviceState*> groupless;
};

/// Resolves `group/22`, a PCI address, an id as `lspci -d` takes it, or a rule's name, as the daemon does for
/// Bind. The error is a sentence.
std::expected<Touched, std::string> resolveTarget(const Snapshot& snapshot, std::string_view target);

/// All groups, and the devices that are in none.
std::expected<Touched, std::string> everything(const Snapshot& snapshot);

/// Whether nothing could ever be of this name: `26:00`, `group/x`. The daemon calls it an invalid argument.
bool isMalformedTarget(std::string_view target);

/// What becomes of a rule today.
struct RuleMatches {
    bool wantsGroup = false; ///< some group is the rule's
    bool certain = true;     ///< false where a selector is in the table form, which is not compared here
    std::vector<const DeviceState*> devices; ///< what its selectors match, in no order
};

RuleMatches matchesOf(const Snapshot& snapshot, const RuleState& rule);

/// One candidate for completion and what it is.
struct Completion {
    std::string word;
    std::string description;
    bool operator==(const Completion&) const = default;
};

/// All targets that exist now: rules, groups, devices.
std::vector<Completion> completions(const Snapshot& snapshot);

} // namespace vfiobind::ctl
