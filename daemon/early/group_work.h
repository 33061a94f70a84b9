// SPDX-License-Identifier: LGPL-2.1-or-later
/// One group's work, in a process of its own.
#pragma once

#include "plan/plan.h"
#include "sysfs/sysfs.h"

#include <functional>
#include <string>

namespace vfiobind::early {

/// Carries the plan out under the group's lock, which is held until the process ends: a worker of the daemon,
/// or of this program's run in the initramfs, may be at the group. What one that was cut off has left is
/// resolved first, and then judged anew by `planAgain`; where it cannot be resolved, its journal stays for
/// the daemon. `done`, or why not.
std::string carryOutGroup(Sysfs& sysfs, const GroupPlan& plan, const std::string& stateDirectory,
                          const std::function<GroupPlan()>& planAgain);

} // namespace vfiobind::early
