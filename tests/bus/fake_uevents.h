// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "fake/fake_kernel.h"

#include <deque>
#include <functional>
#include <string>

namespace vfiobind {

/// Takes uevents to the daemon: the kernel's at once, and udev's when its rules have run.
class FakeUevents {
public:
    /// `core` gives the one that runs now.
    FakeUevents(EventLoop& loop, FakeKernel& kernel, std::function<Core&()> core);
    bool idle() const { return queue_.empty(); }
    bool udevRuns = true;
    /// What was sent before a daemon listened does not reach it.
    void forget() { queue_.clear(); }

private:
    struct Event {
        std::string action;
        std::string subsystem;
        std::string devpath;
        EventOrigin origin;
    };
    void schedule();
    void deliver();
    void hand(const Event& event);

    EventLoop& loop_;
    std::function<Core&()> core_;
    std::deque<Event> queue_;
    EventSource next_;
};

} // namespace vfiobind
