// SPDX-License-Identifier: LGPL-2.1-or-later
/// The worker's end of its socket to the daemon.
#pragma once

#include "work/work.h"

#include <string>

namespace vfiobind {

/// Sends messages to the daemon, some of them together with the next one, since every wake-up makes the
/// daemon look for what has changed. If `gathers` is set, an OverrideRead waits for the verdict or the
/// outcome, and a StepEnded with result `done` waits for the next StepBegun. No message waits if the next
/// action may hang in the kernel, or after a step has failed.
class MessageBatch {
public:
    MessageBatch(int fd, bool gathers) : fd_(fd), gathers_(gathers) {}
    void operator()(const WorkMessage& message);

private:
    bool canWait(const WorkMessage& message);
    void send();

    int fd_;
    bool gathers_;
    std::string step_; ///< the step that began last
    std::string pending_;
};

} // namespace vfiobind
