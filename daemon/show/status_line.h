// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "loop/event_loop.h"

#include <string>

namespace vfiobind {

/// The one line that `systemctl status` shows. systemd announces each new line to everybody on the bus, so in
/// a storm of changes the line is sent now and then, and once at the end.
class StatusLine {
public:
    explicit StatusLine(EventLoop& loop) : loop_(loop) {}
    /// Call it after the core's changes were taken. The first line is sent at once.
    void show(const Core& core);

private:
    void tell();

    EventLoop& loop_;
    std::string now_;
    std::string told_;
    EventSource next_;
};

} // namespace vfiobind
