// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "change/change_log.h"
#include "intent/intent.h"
#include "loop/event_loop.h"
#include "machine/machine.h"
#include "pause/pauser.h"
#include "transaction/journal.h"
#include "view/views.h"
#include "work/work.h"

#include <cstdint>
#include <functional>
#include <string>

namespace vfiobind {

/// Hears at once of the beginnings and ends of jobs; the D-Bus service in production.
class JobListener {
public:
    virtual ~JobListener() = default;
    virtual void jobAdded(const JobView& job) = 0;
    /// The job ended with `result`. The changes to its group and devices come later, through the ChangeLog.
    virtual void jobRemoved(const JobView& job, const std::string& result) = 0;
    /// A caller is about to be answered: emit all changes first.
    virtual void answering() = 0;
};

/// What groups and calls need from the rest of the daemon.
struct Surroundings {
    EventLoop& loop;
    Executor& executor;
    Machine& machine;
    Intent& intent;
    ChangeLog& changes;
    FileJournalStore& journals;
    JobListener* listener = nullptr;
    Pauser* pauser = nullptr; ///< nullptr where there is no service manager
    std::uint32_t lastJob = 0;

    /// Reads a device anew, and resolves the rules again if one concerns it.
    std::function<void(const Address& device)> refreshDevice;
    /// Reads the group's devices anew.
    std::function<void(unsigned group)> refresh;
    /// A group can be worked on, has become a job, or hangs: calls that wait for it check again.
    std::function<void()> cameFree;
    /// Decides anew what is to be done about the group. `cutOff`: an earlier change was undone after its
    /// worker died.
    std::function<void(unsigned group, bool cutOff)> consider;
    /// Begins work that no caller asked for. `takesBack`: the group is taken back from another program.
    std::function<void(unsigned group, const Wanted& wanted, bool takesBack)> undertake;
};

} // namespace vfiobind
