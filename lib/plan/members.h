// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which endpoints of a group its rule knows of: `members` in vfio-bind.toml(5).
#pragma once

#include "config/policy.h"
#include "guard/blocker.h"
#include "topology/topology.h"

namespace vfiobind {

/// Whether `devices` or `members` of the rule names the device.
bool isKnownMember(const Rule& rule, const Device& device);

/// A blocker `unexpected-member` for each endpoint of the group that the rule does not know of; none for a
/// rule without `members`. The sentence names the endpoint, and the bridge that joins it with one that the
/// rule knows of. Pure.
Blockers unexpectedMembers(const Rule& rule, unsigned group, const Topology& topology);

} // namespace vfiobind
