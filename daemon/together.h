// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "guard/host_look.h"
#include "worker_process.h"

#include <chrono>
#include <functional>
#include <vector>

namespace vfiobind {

/// The process that looks at the groups of one call, one after another. What the host as a whole has is read
/// once for all of them, and once more when they are to go: a process that is forked then for each group
/// finds it in its memory, looks at the group itself, and writes. So no group waits for a write to another.
class Together {
public:
    /// The sockets are in the order of the orders.
    Together(const WorkerFiles& files, const std::vector<WorkOrder>& orders, const Topology& topology,
             const std::vector<int>& sockets);
    /// Until the processes of all groups have ended.
    void run();

private:
    struct Member {
        WorkOrder order;
        int socket = -1;
        int lock = -1;
        bool waits = false; ///< for the word to go
    };

    void look(Member& member);
    bool lockAndLoad(Member& member);
    void awaitWords();
    void setOut(Member& member);
    void forkFor(Member& member, const std::function<void()>& task);
    static void leave(Member& member);

    WorkerFiles files_;
    Topology topology_;
    HostLook host_;
    std::vector<Member> members_;
    std::chrono::steady_clock::time_point hostRead_;
};

} // namespace vfiobind
