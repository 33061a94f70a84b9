// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "change/change_log.h"
#include "intent/intent.h"
#include "loop/event_loop.h"
#include "machine/machine.h"

#include <string>
#include <vector>

namespace vfiobind {

/// What needs the administrator and keeps nothing from being done, a sentence each. No event tells that it
/// was mended: it is looked at once a minute while there is any.
class Warnings {
public:
    /// `stateDirectory` is /run/vfio-bind, or empty.
    Warnings(EventLoop& loop, const Machine& machine, const Intent& intent, ChangeLog& changes,
             std::string stateDirectory) :
        loop_(loop), machine_(machine), intent_(intent), changes_(changes),
        stateDirectory_(std::move(stateDirectory)) {}

    void look();
    /// Sentences of other parts of the daemon, in place of those of the last call. Returns whether they are
    /// others.
    bool noteOthers(const std::vector<std::string>& sentences);
    const std::vector<std::string>& all() const { return now_; }

private:
    EventLoop& loop_;
    const Machine& machine_;
    const Intent& intent_;
    ChangeLog& changes_;
    std::string stateDirectory_;
    std::vector<std::string> now_;
    std::vector<std::string> others_; ///< which are in now_, too
    EventSource again_;
};

} // namespace vfiobind
