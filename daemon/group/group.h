// SPDX-License-Identifier: LGPL-2.1-or-later
/// One IOMMU group: what a worker does to it now, and what is remembered of it. Nobody else writes either.
#pragma once

#include "group/decide.h"
#include "group/drift.h"
#include "group/group_state.h"
#include "group/group_states.h"
#include "group/surroundings.h"
#include "lease/holder_watch.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace vfiobind {

/// What is remembered of a group between jobs.
struct GroupMemory {
    Blockers blockers; ///< of the last look
    std::vector<Holder> holders;
    std::string lastError;
    bool unresolved = false; ///< a transaction was neither finished nor undone
    /// What was refused, so that it is not tried again until something changes.
    std::optional<std::pair<Wanted, MemberDrivers>> refused;
    unsigned deaths = 0; ///< of workers, one after another, that told no outcome
    std::string gaveUp;  ///< why nothing is tried any more; empty where it is
};

class Group {
public:
    Group(Surroundings& around, unsigned number) : around_(around), number_(number), drift_(around, number) {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

    unsigned number() const { return number_; }
    bool isIdle() const { return std::holds_alternative<Idle>(state_); }
    /// Whether the guards look at it, or a call waits to settle what they found.
    bool isLookedAt() const;
    /// Whether a job works on it, and does not hang.
    bool isWorking() const { return std::holds_alternative<Working>(state_); }
    /// The job that works on the group; nullptr for none.
    const JobView* job() const;
    const GroupMemory& memory() const { return memory_; }
    /// One of the states of org.vfiobind1.Group.
    std::string state() const;
    Situation situation(bool cutOff) const;

    // For the call that the group belongs to while it is looked at.

    /// No other call gets the group until drop(), or until its job has ended.
    void reserve(std::shared_ptr<CallOfGroup> call, Wanted wanted, WorkOrder::Kind kind);
    void look(std::unique_ptr<Work> work);
    /// The guards are at this group now: if a read hangs, it is this group's.
    void lookBegun();
    /// Whether its turn to be looked at has come, and there is no verdict.
    bool isBeingRead() const;
    /// Judged: the worker may write. The job is told of by announce().
    void setOut(bool takesBack);
    void announce() const;
    /// Judged: nothing is to be done, or blockers forbid it.
    void rest();
    /// Lets go of the group: a worker that looks writes nothing.
    void drop();
    /// No worker could be started: that is not tried again until something changes.
    void couldNotStart(const std::string& why);

    /// What a worker tells.
    void receive(WorkMessage message);
    /// Resolves what a worker that was cut off has left; waits for the worker where it still lives.
    void recover(Journal journal);
    /// What other programs did to the group, if nobody works on it.
    void watchDrift();
    /// Somebody asks: what was refused or given up may be tried again.
    void forgetRefusals();
    /// The group's members are not what they were: what was refused may be possible now.
    void membersChanged() { memory_.refused.reset(); }
    /// The group cannot go back after its last lease: waits for those who hold it, and has it considered
    /// again.
    void awaitHolders();
    /// Shows an error that is not a job's.
    void fail(const std::string& why);

private:
    using Idle = group_states::Idle;
    using Looking = group_states::Looking;
    using Judged = group_states::Judged;
    using Working = group_states::Working;
    using Stuck = group_states::Stuck;
    using AwaitingOldWorker = group_states::AwaitingOldWorker;

    Looking* hungLook();
    Working* working();
    void receiveVerdict(Verdict verdict);
    void receiveStep(const std::string& step);
    void receiveStepEnd(const std::string& result);
    void lookOverdue();
    void jobOverdue();
    void lookForHolders(Stuck& stuck);
    void finish(const Finished& finished);
    void noteOutcome(const Working& done, const Finished& finished);
    void died(const std::string& how);
    void countDeath(const std::string& how);
    void tryAgain();
    void awaitOldWorker(Working taken, Journal journal, Descriptor worker);
    void oldWorkerEnded();

    Surroundings& around_;
    unsigned number_;
    Drift drift_;
    GroupMemory memory_;
    std::unique_ptr<HolderWatch> holderWatch_;
    std::chrono::milliseconds holderPause_{};
    EventSource again_; ///< when the next try after a death is due
    std::variant<Idle, Looking, Judged, Working, Stuck, AwaitingOldWorker> state_;
};

} // namespace vfiobind
