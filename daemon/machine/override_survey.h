// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "loop/event_loop.h"
#include "machine/machine.h"
#include "work/work.h"

#include <memory>

namespace vfiobind {

/// Reads driver_override of all endpoints once, when the daemon starts. A worker reads, since reading can
/// block (doc/kernel.md 2).
class OverrideSurvey {
public:
    OverrideSurvey(EventLoop& loop, Executor& executor, Machine& machine) :
        loop_(loop), executor_(executor), machine_(machine) {}
    void begin();

private:
    void failed(const std::string& why);

    EventLoop& loop_;
    Executor& executor_;
    Machine& machine_;
    std::unique_ptr<Work> work_;
    unsigned failures_ = 0;
    EventSource again_;
};

} // namespace vfiobind
