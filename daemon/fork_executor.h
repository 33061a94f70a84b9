// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "event_loop.h"
#include "work.h"

#include <functional>
#include <map>
#include <memory>

namespace vfiobind {

/// Each piece of work runs in a child process made for it: a write that hangs in the kernel hangs the child alone.
class ForkExecutor final : public Executor {
public:
    ForkExecutor(EventLoop& loop, Sysfs& sysfs, JournalStore& journals) :
        loop_(loop), sysfs_(sysfs), journals_(journals) {}
    std::unique_ptr<Work> start(WorkOrder order, const Topology& topology, Listener listener) override;

private:
    class ForkedWork;
    EventLoop& loop_;
    Sysfs& sysfs_;
    JournalStore& journals_;
    std::map<int, EventSource> children_; ///< by pid, until they have ended and are reaped
};

} // namespace vfiobind
