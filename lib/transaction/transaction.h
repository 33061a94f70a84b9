// SPDX-License-Identifier: LGPL-2.1-or-later
/// Carries one group's plan out, all or nothing.
#pragma once

#include "plan/plan.h"
#include "sysfs/sysfs.h"
#include "transaction/journal.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// One kernel write or check of a transaction.
struct Step {
    enum class Kind {
        driverOverride,
        unbind,
        bind,
        probe,
        newId,
        removeId,
        giveBack,
        verify,
        letGo,   ///< of a console
        takeBack ///< a console
    };
    Kind kind = Kind::verify;
    Address device;
    std::string driver; ///< the override's value, the driver unbound from or bound to; a console's name
    bool undoing = false;

    /// `override 0000:01:00.0 vfio-pci`, `undo: bind 0000:01:00.0 nouveau`
    std::string str() const;
};

/// Why a step failed.
struct StepError {
    Step step;
    SysError error;
    std::string str() const; ///< step, path and errno
};

struct Outcome {
    enum class Result {
        done,
        failed,     ///< refused or failed before anything was written, or the undoing failed too (see
                    ///< `differences`)
        rolledBack, ///< a step failed, and everything is as it was before
    };
    Result result = Result::done;
    std::optional<StepError> error;
    std::vector<std::string> differences; ///< what is not as it was, one sentence each (case 33)
    /// What else went wrong, one sentence each: a console that could not be taken back.
    std::vector<std::string> warnings;

    std::string str() const;
    std::string resultName() const; ///< `done`, `failed`, `rolled-back`
};

/// What a transaction tells while it runs, and waits with.
struct TransactionHooks {
    std::function<void(const Step&)> before;                        ///< a step begins
    std::function<void(const Step&, const SysResult<void>&)> after; ///< a step has ended
    /// Waits before a bind is tried again: between the uevent and the kernel's readiness to match there is no
    /// event to wait for (doc/kernel.md 4, case 31).
    std::function<void(std::chrono::milliseconds)> pause;
    /// Why a device that undoing would take from its native driver has to stay there, "" where it may go:
    /// what a release gave back can have been mounted since.
    std::function<std::string(const Address&)> inUse = [](const Address&) { return std::string{}; };
};

/// Brings every member of the plan to its target: overrides first, then unbind, then bind, then reading back.
/// On a failure undoes in reverse what was done, and restores the overrides as they were. The journal is
/// written before the first write; it is removed at the end unless something could not be undone.
Outcome carryOut(Sysfs& sysfs, const GroupPlan& plan, JournalStore& journals, const TransactionHooks& hooks);

/// Resolves what a transaction that was cut off has left: if every member is where it was to go, that is
/// taken as done; else every member is brought back to where it came from. Decides by the real state, not by
/// the recorded steps.
Outcome recover(Sysfs& sysfs, const Journal& left, JournalStore& journals, const TransactionHooks& hooks);

} // namespace vfiobind
