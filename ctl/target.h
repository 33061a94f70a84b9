// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the targets of the command line touch. The daemon says what a target means (Resolve).
#pragma once

#include "state.h"

#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

/// What a target touches. Devices are listed only where they are in no group.
struct Touched {
    std::vector<const GroupState*> groups; ///< in order of number
    std::vector<const DeviceState*> groupless;
};

/// What Resolve answered, as object paths.
struct Resolved {
    std::vector<std::string> groups;
    std::vector<std::string> devices; ///< what the target itself names
};

/// What the target touches of what is still there.
Touched touchedBy(const Snapshot& snapshot, const Resolved& resolved);

/// All groups, and the devices that are in none.
Touched everything(const Snapshot& snapshot);

/// One candidate for completion and what it is.
struct Completion {
    std::string word;
    std::string description;
    bool operator==(const Completion&) const = default;
};

/// All targets that exist now: rules, groups, devices.
std::vector<Completion> completions(const Snapshot& snapshot);

} // namespace vfiobind::ctl
