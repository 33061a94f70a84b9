// SPDX-License-Identifier: LGPL-2.1-or-later
/// Workers on the fake kernel, in the daemon's own process. Each has a thread to keep its place while a write
/// hangs; only one thread ever runs, and which one follows from the events alone.
#pragma once

#include "fake/fake_kernel.h"
#include "loop/event_loop.h"
#include "work/work.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vfiobind {

class InlineExecutor final : public Executor {
public:
    InlineExecutor(EventLoop& loop, FakeKernel& kernel, std::string stateDirectory);
    InlineExecutor(const InlineExecutor&) = delete;
    InlineExecutor& operator=(const InlineExecutor&) = delete;
    /// Workers that hang are killed; their journals stay.
    ~InlineExecutor() override;

    std::unique_ptr<Work> start(WorkOrder order, const Topology& topology, Listener listener) override;

    /// Something happened in the kernel: workers whose write has returned go on.
    void look();
    /// Whether no worker has anything left to do but to wait for the kernel or for the word to go.
    bool idle() const;
    /// While set, no worker can be started: fork(2) gives EAGAIN.
    bool noProcesses = false;
    /// While set, a worker that is started hangs before it tells anything.
    bool silentWorkers = false;
    /// So many workers, of those that are started next, die before they tell anything.
    unsigned dyingWorkers = 0;
    /// How many workers were started that look at a group.
    unsigned looks = 0;
    /// What happens once, between the word to go and what the worker does next.
    std::function<void()> beforeWord;

private:
    class Process;
    class Handle;
    void schedule();
    void step();

    EventLoop& loop_;
    FakeKernel& kernel_;
    std::string stateDirectory_;
    std::vector<std::shared_ptr<Process>> processes_;
    EventSource tick_;
};

} // namespace vfiobind
