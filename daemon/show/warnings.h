// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "change/change_log.h"
#include "intent/intent.h"
#include "loop/event_loop.h"
#include "machine/machine.h"

#include <string>
#include <vector>

namespace vfiobind {

/// Sentences on what needs the administrator and still lets everything work. No event reports that a cause is
/// gone, so while there are warnings they are checked once a minute.
class Warnings {
public:
    /// `stateDirectory` is /run/vfio-bind, or empty.
    Warnings(EventLoop& loop, const Machine& machine, const Intent& intent, ChangeLog& changes,
             std::string stateDirectory) :
        loop_(loop), machine_(machine), intent_(intent), changes_(changes),
        stateDirectory_(std::move(stateDirectory)) {}

    void look();
    /// Looks if cards that rules name are elsewhere now.
    void rulesResolved() {
        if (intent_.resolution().moved != moved_)
            look();
    }
    /// Replaces the sentences of other parts of the daemon. Returns whether they differ from the last call's.
    bool noteOthers(const std::vector<std::string>& sentences);
    const std::vector<std::string>& all() const { return now_; }

private:
    EventLoop& loop_;
    const Machine& machine_;
    const Intent& intent_;
    ChangeLog& changes_;
    std::string stateDirectory_;
    std::vector<std::string> now_;
    std::vector<std::string> moved_;  ///< which are in now_, too
    std::vector<std::string> others_; ///< which are in now_, too
    EventSource again_;
};

} // namespace vfiobind
