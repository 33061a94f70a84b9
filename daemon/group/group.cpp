// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group/group.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// How long one look may take. The guards read files that can block behind another program's hung unbind
/// (doc/kernel.md 2).
constexpr auto verdictLimit = 10s;
/// The pause before it is checked again whether a group can go back; doubled each time.
constexpr std::chrono::milliseconds firstPause = 250ms;
constexpr std::chrono::milliseconds longestPause = 8s;

} // namespace

bool Group::isLookedAt() const {
    return std::holds_alternative<Looking>(state_) || std::holds_alternative<Judged>(state_);
}

bool Group::isChanging() const {
    const auto isChange = [](const group_states::Attempt& attempt) {
        return attempt.kind != WorkOrder::Kind::examine;
    };
    if (const auto* looking = std::get_if<Looking>(&state_))
        return isChange(looking->attempt);
    if (const auto* judged = std::get_if<Judged>(&state_))
        return isChange(judged->attempt);
    return isWorking();
}

bool Group::isBeingRead() const {
    const auto* looking = std::get_if<Looking>(&state_);
    const auto* stuck = std::get_if<Stuck>(&state_);
    return (looking != nullptr && looking->limit) ||
           (stuck != nullptr && std::holds_alternative<Looking>(stuck->hung));
}

Group::Looking* Group::hungLook() {
    auto* stuck = std::get_if<Stuck>(&state_);
    return stuck != nullptr ? std::get_if<Looking>(&stuck->hung) : nullptr;
}

/// Returns the state of the job, whether the job hangs or not.
Group::Working* Group::working() {
    if (auto* stuck = std::get_if<Stuck>(&state_))
        return std::get_if<Working>(&stuck->hung);
    return std::get_if<Working>(&state_);
}

const JobView* Group::job() const {
    if (const auto* old = std::get_if<AwaitingOldWorker>(&state_))
        return &old->job;
    const auto* working = const_cast<Group*>(this)->working();
    return working != nullptr ? &working->job : nullptr;
}

Situation Group::situation(bool cutOff) const {
    const auto& machine = around_.machine;
    const auto wanted = around_.intent.wanted(number_);
    Situation now{.busy = !isIdle(),
                  .wanted = wanted ? std::optional(wanted->action) : std::nullopt,
                  .endpoints = static_cast<unsigned>(machine.topology().endpoints(number_).size()),
                  .owned = around_.intent.owned(number_) != nullptr,
                  .unresolved = memory_.unresolved,
                  .pausing = again_ || !memory_.gaveUp.empty(),
                  .owed = around_.intent.isOwed(number_),
                  .cutOff = cutOff};
    // A group can be owed and not known as ours: the daemon died while its worker bound the group.
    if (now.wanted == Action::bind || now.owned || now.owed) {
        now.handedOver = machine.handedOver(number_, wanted ? wanted->driver : "auto");
        now.lost = drift_.lostMembers();
    }
    now.refused = wanted && memory_.refused == std::pair(*wanted, machine.driversOf(number_));
    return now;
}

std::string Group::state() const {
    const auto now = situation(false);
    StateInputs in{.wanted = now.wanted == Action::bind,
                   .owned = now.owned,
                   .blocked = !memory_.blockers.empty(),
                   .unresolved = now.unresolved || !memory_.gaveUp.empty(),
                   .endpoints = now.endpoints,
                   .handedOver = now.handedOver,
                   .lost = now.lost};
    in.stuck = std::holds_alternative<Stuck>(state_) || std::holds_alternative<AwaitingOldWorker>(state_);
    if (const auto* working = std::get_if<Working>(&state_)) {
        in.binding = working->attempt.wanted.action == Action::bind;
        in.releasing = !in.binding;
    } else if (isIdle()) {
        in.releasing = now.owed && now.wanted == Action::release && now.handedOver > 0;
    }
    return groupState(in);
}

void Group::reserve(std::shared_ptr<CallOfGroup> call, Wanted wanted, WorkOrder::Kind kind) {
    state_ =
        Looking{.attempt = {.wanted = std::move(wanted), .kind = kind, .call = std::move(call), .work = {}},
                .limit = {}};
}

void Group::look(std::unique_ptr<Work> work) {
    std::get<Looking>(state_).attempt.work = std::move(work);
}

void Group::lookBegun() {
    if (auto* looking = std::get_if<Looking>(&state_))
        looking->limit = around_.loop.timer(verdictLimit, [this] { lookOverdue(); });
}

void Group::receive(WorkMessage message) {
    if (std::holds_alternative<LookBegun>(message)) {
        lookBegun();
    } else if (auto* verdict = std::get_if<Verdict>(&message)) {
        receiveVerdict(std::move(*verdict));
    } else if (const auto* read = std::get_if<OverrideRead>(&message)) {
        around_.machine.noteOverride(read->device, read->value);
    } else if (const auto* begun = std::get_if<StepBegun>(&message)) {
        receiveStep(begun->step);
    } else if (const auto* ended = std::get_if<StepEnded>(&message)) {
        receiveStepEnd(ended->result);
    } else if (const auto* finished = std::get_if<Finished>(&message)) {
        if (working() != nullptr)
            return finish(*finished);
        const auto* looking = std::get_if<Looking>(&state_);
        if (looking == nullptr)
            looking = hungLook();
        if (looking != nullptr) {
            const auto call = looking->attempt.call; // keep the call, since the group forgets it
            call->cannotLook(finished->error);
        }
        // In Judged nothing is to be done here: the call decides when all of its groups are judged.
    } else {
        died(std::get<Died>(message).how);
    }
}

void Group::receiveVerdict(Verdict verdict) {
    auto* looking = std::get_if<Looking>(&state_);
    if (looking == nullptr)
        looking = hungLook();
    if (looking == nullptr)
        return;
    auto attempt = std::move(looking->attempt);
    if (attempt.kind == WorkOrder::Kind::carryOut) {
        memory_.blockers = verdict.nothingToDo ? Blockers{} : verdict.blockers;
        memory_.holders = verdict.holders;
        memory_.deaths = 0;
    }
    around_.changes.group(number_);
    const auto call = attempt.call;
    state_ = Judged{.attempt = std::move(attempt), .verdict = verdict};
    call->receive(number_, std::move(verdict));
}

void Group::rest() {
    const auto judged = std::move(std::get<Judged>(state_));
    state_ = Idle{};
    around_.cameFree();
    around_.machine.readDrivers();
    around_.refresh(number_);
    if (!judged.verdict.blockers.empty())
        memory_.refused = std::pair(judged.attempt.wanted, around_.machine.driversOf(number_));
    watchDrift();
    around_.consider(number_, false);
}

void Group::drop() {
    state_ = Idle{};
    around_.changes.group(number_);
}

void Group::couldNotStart(const std::string& why) {
    const auto* looking = std::get_if<Looking>(&state_);
    if (looking == nullptr)
        looking = hungLook();
    spdlog::error("group {}: {}", number_, why);
    if (looking == nullptr || looking->attempt.kind == WorkOrder::Kind::examine)
        return;
    memory_.lastError = why;
    memory_.refused = std::pair(looking->attempt.wanted, around_.machine.driversOf(number_));
}

void Group::lookOverdue() {
    auto looking = std::move(std::get<Looking>(state_));
    looking.limit.reset();
    const auto call = looking.attempt.call;
    state_ = Stuck{.hung = std::move(looking), .holders = {}};
    around_.cameFree();
    around_.refresh(number_);
    memory_.lastError = fmt::format(
        "reading the state of group {} has not come back in time: another program's unbind hangs in the "
        "kernel (see dmesg)",
        number_);
    spdlog::error("{}", memory_.lastError);
    call->hangs(memory_.lastError);
}

void Group::watchDrift() {
    if (!isIdle())
        return; // the daemon's own worker moves the devices; the group is looked at when it ends
    const auto before = drift_.sentence();
    if (!drift_.look())
        return;
    if (!drift_.sentence().empty() || memory_.lastError == before)
        memory_.lastError = drift_.sentence();
    around_.changes.group(number_);
}

void Group::forgetRefusals() {
    memory_.refused.reset();
    memory_.deaths = 0;
    memory_.gaveUp.clear();
    again_.reset();
    drift_.forgive();
}

void Group::awaitHolders() {
    if (holderWatch_)
        return;
    std::set<unsigned> processes;
    for (const auto& holder : memory_.holders)
        processes.insert(holder.pid);
    holderPause_ = std::min(holderPause_ == 0ms ? firstPause : holderPause_ * 2, longestPause);
    holderWatch_ = std::make_unique<HolderWatch>(around_.loop, processes, holderPause_, [this] {
        holderWatch_.reset();
        memory_.refused.reset();
        around_.consider(number_, false);
    });
}

void Group::fail(const std::string& why) {
    memory_.lastError = why;
    around_.changes.group(number_);
}

} // namespace vfiobind
