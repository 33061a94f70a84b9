// SPDX-License-Identifier: LGPL-2.1-or-later
#include "call/call.h"

#include "group/group.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <utility>

namespace vfiobind {

void Call::reserve() {
    const auto kind = isCheck_ ? WorkOrder::Kind::examine : WorkOrder::Kind::carryOut;
    for (const auto& [group, wanted] : order_.groups)
        group_(group).reserve(shared_from_this(), wanted, kind);
}

void Call::setAside() {
    if (!order_.checkReply)
        return;
    order_.checkReply = nullptr;
    const auto told = std::move(order_.setAside);
    drop(all());
    told();
}

std::set<unsigned> Call::all() const {
    const auto numbers = order_.groups | std::views::keys;
    return {numbers.begin(), numbers.end()};
}

/// The only way in which a call lets groups go without changing them. Their workers end before the first
/// write, calls that wait for the groups begin, and the groups are considered anew, since something may have
/// happened to them meanwhile.
void Call::drop(const std::set<unsigned>& groups) {
    const auto self = shared_from_this(); // only the groups hold the call
    for (const auto group : groups) {
        order_.groups.erase(group);
        verdicts_.erase(group);
        group_(group).drop();
    }
    around_.cameFree();
    for (const auto group : groups)
        around_.consider(group, false);
}

void Call::receive(unsigned group, Verdict verdict) {
    if (givenUp_)
        return drop({group});
    verdicts_[group] = std::move(verdict);
    if (verdicts_.size() == order_.groups.size())
        settle();
}

void Call::refuse(const ApiError& error) {
    drop(all());
    replyError(error);
}

void Call::cannotLook(const std::string& why) {
    const auto sentence = "no worker could be started, so nothing is done: " + why;
    for (const auto group : order_.groups | std::views::keys)
        group_(group).couldNotStart(sentence);
    refuse({ApiError::Kind::kernelRefused, sentence});
}

void Call::cannotJudge(unsigned group, const std::string& how) {
    refuse({ApiError::Kind::kernelRefused,
            fmt::format("the guards of group {} did not finish: {}", group, how)});
}

/// Does nothing for the reconciler's own wish, which nobody waits for: its group goes on when the look comes
/// back.
void Call::hangs(const std::string& sentence) {
    if (!order_.reply && !order_.checkReply)
        return;
    givenUp_ = true;
    std::set<unsigned> others;
    for (const auto group : order_.groups | std::views::keys)
        if (!group_(group).isBeingRead())
            others.insert(group);
    drop(others);
    replyError({ApiError::Kind::kernelRefused, sentence + ": ETIMEDOUT"});
}

/// Whether the call still stands. The reconciler's own wish can be gone after the look, if its rule was
/// removed meanwhile.
bool Call::stillWished() const {
    return !order_.requests.empty() || order_.lessee ||
           std::ranges::all_of(order_.groups, [this](const auto& one) {
               return !around_.machine.hasGroup(one.first) || around_.intent.wanted(one.first) == one.second;
           });
}

/// Call it when all verdicts are in. Refuses the call as a whole if one group is blocked. The reconciler
/// begins a call of its own for each group.
void Call::settle() {
    if (isCheck_)
        return answerCheck();
    if (!stillWished()) {
        spdlog::info("what was begun is not wanted any more, and nothing is written");
        return drop(all());
    }
    if (pause())
        return;
    Blockers blockers;
    std::vector<unsigned> going;
    for (const auto& [group, verdict] : verdicts_) {
        if (verdict.nothingToDo)
            continue;
        blockers.insert(blockers.end(), verdict.blockers.begin(), verdict.blockers.end());
        if (verdict.blockers.empty())
            going.push_back(group);
        else if (!order_.reply)
            spdlog::warn("group {} ({}) is blocked: {}", group, order_.groups.at(group).by,
                         ApiError::from(verdict.blockers).sentence);
    }
    if (!blockers.empty() && order_.reply)
        return refuse(ApiError::from(forReader(std::move(blockers), order_.reader)));
    if (auto differ = membersDiffer())
        return refuse(*differ);
    if (order_.lessee && !order_.lease->has_value())
        return grant();
    for (const auto group : order_.requests | std::views::keys)
        before_.emplace(group, around_.intent.requestFor(group));
    if (auto noted = around_.intent.note(order_.requests, order_.action, order_.options); !noted)
        return refuse(noted.error());
    letGo(going);
}

/// Of the groups that something is to be done to.
Pauser::ByGroup Call::unitsToPause() const {
    Pauser::ByGroup units;
    for (const auto& [group, verdict] : verdicts_)
        if (const auto& wanted = order_.groups.at(group);
            !verdict.nothingToDo && wanted.action == Action::bind && !wanted.pauseUnits.empty())
            units.emplace(group, wanted.pauseUnits);
    return units;
}

/// Stops what the rules have stopped for a bind, once: if only processes stand against the bind, or nothing
/// does, since a driver can hold its device without one. Returns whether the call goes on when that has
/// ended.
bool Call::pause() {
    auto units = unitsToPause();
    if (std::exchange(pauses_, true) || around_.pauser == nullptr || units.empty())
        return false;
    std::set<unsigned> holders;
    for (const auto& verdict : verdicts_ | std::views::values)
        for (const auto& blocker : verdict.blockers) {
            if (verdict.nothingToDo)
                continue;
            if (blocker.processes.empty())
                return false;
            holders.insert(blocker.processes.begin(), blocker.processes.end());
        }
    around_.pauser->pause(std::move(units), std::move(holders),
                          [self = shared_from_this()](const auto& stopped) { self->pauseEnded(stopped); });
    return true;
}

/// The units run again once the groups are idle and with their native drivers, however the call ends.
void Call::pauseEnded(const std::expected<bool, std::string>& stopped) {
    if (order_.groups.empty())
        return; // refused meanwhile
    if (!stopped)
        return refuse(
            {ApiError::Kind::inUse,
             "a unit that is to be paused could not be stopped, so nothing is done: " + stopped.error()});
    if (!*stopped)
        return settle();
    verdicts_.clear();
    reserve();
    look_(shared_from_this());
}

/// Call it when no guard forbids the lease: records and stores the lease before the first write to the
/// kernel.
void Call::grant() {
    std::set<unsigned> bound;
    for (const auto& [group, verdict] : verdicts_)
        if (verdict.nothingToDo)
            bound.insert(group);
    const auto self = shared_from_this();
    around_.intent.grant(*order_.lessee, order_.groups, bound,
                         [self](std::expected<Descriptor, ApiError> lease) {
                             if (!self->order_.reply)
                                 return; // refused meanwhile: the lease ends with its descriptor
                             if (!lease)
                                 return self->refuse(lease.error());
                             self->order_.lease->emplace(std::move(*lease));
                             self->settle();
                         });
}

std::map<Address, Ids> Call::authorisedMembers(unsigned group) const {
    const auto known = order_.authorised.find(group);
    return known == order_.authorised.end() ? std::map<Address, Ids>{} : known->second;
}

/// Returns an error if a group's members changed while the caller was authorised or the guards looked.
std::optional<ApiError> Call::membersDiffer() const {
    for (const auto& [group, members] : order_.authorised)
        if (members != around_.intent.membersOf(group))
            return ApiError{
                ApiError::Kind::busy,
                fmt::format("devices of group {} came or went since this was asked for; ask again", group)};
    return std::nullopt;
}

void Call::letGo(const std::vector<unsigned>& going) {
    const auto self = shared_from_this();
    for (const auto group : going)
        group_(group).setOut(order_.takesBack);
    // Announce the jobs while the workers are at work.
    std::vector<JobView> jobs;
    for (const auto group : going) {
        group_(group).announce();
        jobs.push_back(*group_(group).job());
    }
    around_.cameFree();
    reply(jobs);
    auto resting = all();
    for (const auto group : going)
        resting.erase(group);
    for (const auto group : resting)
        group_(group).rest();
}

void Call::answerCheck() {
    CheckResult result{.blockers = order_.ungrouped};
    const auto units = unitsToPause();
    for (const auto& [group, verdict] : verdicts_) {
        if (!verdict.nothingToDo)
            result.blockers.insert(result.blockers.end(), verdict.blockers.begin(), verdict.blockers.end());
        if (const auto paused = units.find(group); paused != units.end())
            for (const auto& unit : paused->second)
                result.steps.push_back("stop " + unit);
        result.steps.insert(result.steps.end(), verdict.steps.begin(), verdict.steps.end());
    }
    const auto self = shared_from_this();
    drop(all());
    reply(result);
}

void Call::withdraw(unsigned group) {
    if (const auto before = before_.find(group); before != before_.end())
        around_.intent.withdraw(group, before->second);
}

/// Emits all changes before the answer, so that a property read afterwards agrees with it.
void Call::reply(const std::expected<std::vector<JobView>, ApiError>& answer) {
    if (!order_.reply)
        return;
    if (around_.listener != nullptr)
        around_.listener->answering();
    std::exchange(order_.reply, nullptr)(answer);
}

void Call::reply(const std::expected<CheckResult, ApiError>& answer) {
    if (!order_.checkReply)
        return;
    if (around_.listener != nullptr)
        around_.listener->answering();
    std::exchange(order_.checkReply, nullptr)(answer);
}

void Call::replyError(const ApiError& error) {
    reply(std::expected<std::vector<JobView>, ApiError>(std::unexpected(error)));
    reply(std::expected<CheckResult, ApiError>(std::unexpected(error)));
}

} // namespace vfiobind
