// SPDX-License-Identifier: LGPL-2.1-or-later
/// Waits for the processes that keep a group from going back.
#pragma once

#include "loop/event_loop.h"

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <vector>

namespace vfiobind {

/// Calls `letGo` once: when one of the processes has ended (pidfd_open(2)), or after `atMost`, since a
/// program can close a device and live on. May be destroyed in the call.
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
