// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "change/change_log.h"
#include "group/job.h"
#include "intent/intent.h"
#include "loop/event_loop.h"
#include "machine/machine.h"
#include "pause/pauser.h"
#include "transaction/journal.h"
#include "work/work.h"

#include <cstdint>
#include <functional>
#include <string>

namespace vfiobind {

/// Where the beginnings and ends of jobs are told at once; the D-Bus service in production.
class JobListener {
public:
    virtual ~JobListener() = default;
    virtual void jobAdded(const JobView& job) = 0;
    /// How the job ended; its group and devices are still to be shown.
    virtual void jobRemoved(const JobView& job, const std::string& result) = 0;
    /// A caller is about to be answered.
    virtual void answering() = 0;
};

/// What groups and calls need of the daemon around them.
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

    /// Reads a device anew, and what rules come to where one is concerned.
    std::function<void(const Address& device)> refreshDevice;
    /// Reads the group's devices anew.
    std::function<void(unsigned group)> refresh;
    /// The group can be worked on, or has become a job, or hangs: whoever waits for it is to look.
    std::function<void()> cameFree;
    /// What is to be done about the group now? `cutOff`: what was begun before was undone after its worker
    /// died.
    std::function<void(unsigned group, bool cutOff)> consider;
    /// Begins work that nobody has called for. `takesBack`: from a program that took the group.
    std::function<void(unsigned group, const Wanted& wanted, bool takesBack)> undertake;
};

} // namespace vfiobind
