// SPDX-License-Identifier: LGPL-2.1-or-later
/// Looks at what a group is used for before it is taken or given back. Reads files that may block: for
/// workers.
#pragma once

#include "guard/blocker.h"
#include "guard/holders.h"
#include "guard/host_look.h"
#include "plan/wanted.h"

#include <vector>

namespace vfiobind {

struct Inspection {
    Blockers blockers;
    std::vector<Holder> holders;
};

/// Everything that the guards find against the action on the group. Groups that are looked at together share
/// what is asked of the host.
Inspection inspect(HostLook& host, const Topology& topology, unsigned group, Action action);
/// The same for one group by itself.
Inspection inspect(const Sysfs& sysfs, const Topology& topology, unsigned group, Action action);

} // namespace vfiobind
