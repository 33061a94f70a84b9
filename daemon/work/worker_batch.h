// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "guard/host_look.h"
#include "work/worker_process.h"

#include <chrono>
#include <functional>
#include <vector>

namespace vfiobind {

/// The process that looks at the groups of one call, one after another. The state of the host as a whole is
/// read once for all groups, and again when the daemon lets them go. Then a process is forked for each group:
/// it inherits that state, looks at its group, and writes. So no group waits for a write to another.
class WorkerBatch {
public:
    /// `sockets` are in the order of `orders`. A group's process that begins more than `freshFor` after the
    /// host was read reads the host again.
    WorkerBatch(WorkerFiles files, const std::vector<WorkOrder>& orders, Topology topology,
                const std::vector<int>& sockets,
                std::chrono::milliseconds freshFor = std::chrono::milliseconds(500));
    /// Returns when the processes of all groups have ended.
    void run();

private:
    struct Member {
        WorkOrder order;
        int socket = -1;
        bool waits = false; ///< waits for the word to go
    };

    void look(Member& member);
    void awaitWords();
    std::vector<Member*> whoMayGo(int timeout);
    void carryOut(Member& member);
    static void forkFor(Member& member, const std::function<void()>& task);

    WorkerFiles files_;
    Topology topology_;
    HostLook host_;
    std::vector<Member> members_;
    std::chrono::milliseconds freshFor_;
    std::chrono::steady_clock::time_point hostRead_;
};

} // namespace vfiobind
