// SPDX-License-Identifier: LGPL-2.1-or-later
/// Waits for those who keep a group from going back.
#pragma once

#include "loop/event_loop.h"

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <vector>

namespace vfiobind {

/// Calls once: when one of the processes has ended (pidfd_open(2)), or when the time is over, since a program
/// can let go of a device and live on. May be dropped in the call.
class HolderWatch {
public:
    HolderWatch(EventLoop& loop, const std::set<unsigned>& processes, std::chrono::milliseconds atMost,
                std::function<void()> letGo);

private:
    struct Process;
    std::vector<std::shared_ptr<Process>> processes_;
    EventSource limit_;
};

} // namespace vfiobind
