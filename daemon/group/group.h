// SPDX-License-Identifier: LGPL-2.1-or-later
/// One IOMMU group: what a worker does to it now, and what is remembered of it. Only this class writes
/// either.
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
    unsigned deaths = 0; ///< how many workers in a row ended without an outcome
    std::string gaveUp;  ///< why nothing is tried any more; empty while it is tried
};

class Group {
public:
    Group(Surroundings& around, unsigned number) : around_(around), number_(number), drift_(around, number) {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

    unsigned number() const { return number_; }
    bool isIdle() const { return std::holds_alternative<Idle>(state_); }
    /// Whether the guards look at the group, or its verdict waits for those of the call's other groups.
    bool isLookedAt() const;
    /// Whether a job works on the group and does not hang.
    bool isWorking() const { return std::holds_alternative<Working>(state_); }
    /// Whether the guards look at the group for a change, or a job works on it and does not hang.
    bool isChanging() const;
    /// The job that works on the group; nullptr for none.
    const JobView* job() const;
    const GroupMemory& memory() const { return memory_; }
    /// Returns one of the states of org.vfiobind1.Group.
    std::string state() const;
    Situation situation(bool cutOff) const;

    // For the call that has reserved the group.

    /// Reserves the group for the call: no other call gets it until drop(), or until the job has ended.
    void reserve(std::shared_ptr<CallOfGroup> call, Wanted wanted, WorkOrder::Kind kind);
    void look(std::unique_ptr<Work> work);
    /// The guards begin to look at this group: if a read hangs from now on, it is this group's. Starts the
    /// time limit.
    void lookBegun();
    /// Whether the guards look at this group now: the look has begun, and there is no verdict.
    bool isBeingRead() const;
    /// Call it when Judged: lets the worker write. announce() announces the job.
    void setOut(bool takesBack);
    void announce() const;
    /// Call it when Judged, if nothing is to be done or blockers forbid it.
    void rest();
    /// Ends the reservation: the worker that looks will write nothing.
    void drop();
    /// No worker could be started. Does not try again until something changes.
    void couldNotStart(const std::string& why);

    /// Handles a message of the group's worker.
    void receive(WorkMessage message);
    /// Resolves what a worker that was cut off has left. If that worker still lives, waits for its end.
    void recover(Journal journal);
    /// Looks what other programs did to the group, unless a worker is at it.
    void watchDrift();
    /// Call it when somebody asks for the group: what was refused or given up may be tried again.
    void forgetRefusals();
    /// Call it when the group's members have changed: what was refused may be possible now.
    void membersChanged() { memory_.refused.reset(); }
    /// Call it when the group cannot go back after its last lease: waits for the holders, then has the group
    /// considered again.
    void awaitHolders();
    /// Shows an error that belongs to no job.
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
    void tellWhoHolds(const std::string& step, const std::string& how);
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
