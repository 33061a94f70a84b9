// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vfio-bindctl prints for people. Pure: a snapshot goes in, text comes out.
#pragma once

#include "state.h"
#include "target.h"
#include "text.h"

#include <string>
#include <string_view>

namespace vfiobind::ctl {

/// Green for bound, yellow for what wants a look (partial, drifted, blocked), red for stuck.
Colour stateColour(std::string_view state);

/// `01:00.0` for `0000:01:00.0`; other domains stay.
std::string shortAddress(std::string_view address);

/// `leased by peter since 2026-11-30 08:15:00`, in local time; a user without a name by number.
std::string leaseText(const LeaseState& lease);

/// The table of groups and devices; with `all` those that are native too. Every line ends in a newline and is
/// no wider than the style's columns, but for words that cannot be broken.
std::string renderStatus(const Snapshot& snapshot, const Style& style, bool all);

/// Everything that is known of what a target touches.
std::string renderShow(const Snapshot& snapshot, const Touched& touched, const Style& style);

/// What Check said of a target.
struct CheckResult {
    bool possible = false;
    std::vector<BlockerState> blockers;
    std::vector<std::string> steps;
};

std::string renderCheck(const std::string& target, const CheckResult& check, const Style& style);

} // namespace vfiobind::ctl
