// SPDX-License-Identifier: LGPL-2.1-or-later
/// Calls back when the machine wakes from sleep, or its clock is set.
#pragma once

#include "loop/event_loop.h"

#include <functional>

namespace vfiobind {

/// Holds a CLOCK_REALTIME timer that never expires and is cancelled when that clock is set
/// (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). The kernel cancels such timers on each resume too
/// (timerfd_resume() in fs/timerfd.c), so no other program has to report it.
class ClockWatch {
public:
    /// Throws std::system_error when the kernel gives no timer.
    ClockWatch(EventLoop& loop, std::function<void()> moved);
    ClockWatch(const ClockWatch&) = delete;
    ClockWatch& operator=(const ClockWatch&) = delete;
    ~ClockWatch();

private:
    void arm() const;
    void read() const;

    int fd_;
    std::function<void()> moved_;
    EventSource event_;
};

} // namespace vfiobind
