// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "loop/event_loop.h"

#include <string>

namespace vfiobind {

/// The one line that `systemctl status` shows. systemd tells everybody on the bus of each that it gets, so a
/// storm of changes is told of now and then, and at its end.
class StatusLine {
public:
    explicit StatusLine(EventLoop& loop) : loop_(loop) {}
    /// Call it when the core's changes were taken. The first line is told at once.
    void show(const Core& core);

private:
    void tell();

    EventLoop& loop_;
    std::string now_;
    std::string told_;
    EventSource next_;
};

} // namespace vfiobind
