// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "loop/event_loop.h"
#include "work/work.h"
#include "work/worker_process.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vfiobind {

/// Runs each order in a process of its own: a write that hangs in the kernel hangs that process alone. One
/// process looks at all groups of a call, and forks another for each group that goes (WorkerBatch).
class ForkExecutor final : public Executor {
public:
    /// Workers that change the same group take turns by a lock below `stateDirectory` (lockGroup).
    ForkExecutor(EventLoop& loop, Sysfs& sysfs, JournalStore& journals, std::string stateDirectory) :
        loop_(loop), files_{sysfs, journals, std::move(stateDirectory)} {}
    std::unique_ptr<Work> start(WorkOrder order, const Topology& topology, Listener listener) override;
    std::vector<std::unique_ptr<Work>> startBatch(std::vector<WorkOrder> orders, const Topology& topology,
                                                  const GroupListener& listener) override;

private:
    class ForkedWork;
    void reap(int pid);
    EventLoop& loop_;
    WorkerFiles files_;
    std::map<int, EventSource> children_; ///< by pid; each until it is reaped
};

} // namespace vfiobind
