// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a worker does to a group now. A group is in one of these states, and has what belongs to it.
#pragma once

#include "group/call_of_group.h"
#include "loop/event_loop.h"
#include "sysfs/descriptor.h"
#include "view/views.h"
#include "work/work.h"

#include <memory>
#include <variant>

namespace vfiobind {

namespace group_states {

/// What a worker was started for.
struct Attempt {
    Wanted wanted;
    WorkOrder::Kind kind = WorkOrder::Kind::carryOut;
    std::shared_ptr<CallOfGroup> call; ///< nullptr for a recovery
    std::unique_ptr<Work> work;
};

struct Idle {};

struct Looking {
    Attempt attempt;
    EventSource limit; ///< from lookBegun() on
};

struct Judged {
    Attempt attempt;
    Verdict verdict;
};

struct Working {
    Attempt attempt;
    Verdict verdict;
    JobView job;
    EventSource limit;
};

/// A look, or a step of a job, has not come back in time, so it hangs in the kernel.
struct Stuck {
    std::variant<Looking, Working> hung;
    std::unique_ptr<Work> holders; ///< a worker that finds who holds the group
};

/// A worker of an earlier run of the daemon still works on the group.
struct AwaitingOldWorker {
    Wanted wanted;
    Journal journal;
    JobView job;
    Descriptor worker;             ///< pidfd_open(2)
    EventSource end;               ///< destroyed before `worker` is closed
    std::unique_ptr<Work> holders; ///< as of Stuck
};

} // namespace group_states
} // namespace vfiobind
