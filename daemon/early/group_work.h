// SPDX-License-Identifier: LGPL-2.1-or-later
/// One group's work, in a process of its own.
#pragma once

#include "plan/plan.h"
#include "sysfs/sysfs.h"

#include <functional>
#include <string>
#include <string_view>

namespace vfiobind::early {

/// Carries the plan out under the group's lock, and holds the lock until the process ends: a worker of the
/// daemon, or of this program's run in the initramfs, may be at the group. First resolves what a worker that
/// was cut off has left, and makes the plan anew by `planAgain`. If that cannot be resolved, its journal
/// stays for the daemon. Returns `done`, perhaps with warnings after it, or why not.
std::string carryOutGroup(Sysfs& sysfs, const GroupPlan& plan, const std::string& stateDirectory,
                          const std::function<GroupPlan()>& planAgain);

/// Whether carryOutGroup() has done what was to be done.
bool isDone(std::string_view outcome);

} // namespace vfiobind::early
