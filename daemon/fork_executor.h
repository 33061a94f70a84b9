// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "event_loop.h"
#include "work.h"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace vfiobind {

/// Each piece of work runs in a child process made for it: a write that hangs in the kernel hangs the child
/// alone.
class ForkExecutor final : public Executor {
public:
    /// Workers that change a group take turns by a lock below the state directory (lockGroup).
    ForkExecutor(EventLoop& loop, Sysfs& sysfs, JournalStore& journals, std::string stateDirectory) :
        loop_(loop), sysfs_(sysfs), journals_(journals), stateDirectory_(std::move(stateDirectory)) {}
    std::unique_ptr<Work> start(WorkOrder order, const Topology& topology, Listener listener) override;

private:
    class ForkedWork;
    void runInChild(int fd, const WorkOrder& order, const Topology& topology);
    EventLoop& loop_;
    Sysfs& sysfs_;
    JournalStore& journals_;
    std::string stateDirectory_;
    std::map<int, EventSource> children_; ///< by pid, until they have ended and are reaped
};

} // namespace vfiobind
