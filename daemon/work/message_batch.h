// SPDX-License-Identifier: LGPL-2.1-or-later
/// The worker's end of its socket to the daemon.
#pragma once

#include "work/work.h"

#include <string>

namespace vfiobind {

/// Each time the daemon hears something it looks what it has to tell on the bus. A teller that gathers
/// therefore sends some messages with the next one: an override with the verdict or the outcome, and that a
/// step went well with the beginning of the step after it. It does not where what comes next may hang in the
/// kernel, and no more once a step has failed.
class MessageBatch {
public:
    MessageBatch(int fd, bool gathers) : fd_(fd), gathers_(gathers) {}
    void operator()(const WorkMessage& message);

private:
    bool canWait(const WorkMessage& message);
    void send();

    int fd_;
    bool gathers_;
    std::string step_; ///< that began last
    std::string pending_;
};

} // namespace vfiobind
