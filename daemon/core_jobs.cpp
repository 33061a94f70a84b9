// SPDX-License-Identifier: LGPL-2.1-or-later
// How jobs are carried out, watched and ended.
#include "core.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <time.h>

namespace vfiobind {
namespace {

std::uint64_t realtimeUsec() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

/// The journal keeps an entry for each line, and looks up much about its sender: a job has one for all steps.
std::string stepsDone(const JobView& job) {
    std::string text;
    for (const auto& [step, result] : job.steps)
        if (result == "done")
            text += (text.empty() ? "" : "; ") + step;
    return text.empty() ? "nothing" : text;
}

} // namespace

void Core::receive(unsigned group, WorkMessage message) {
    if (!running_.contains(group))
        return;
    if (std::holds_alternative<LookBegun>(message))
        lookBegun(group);
    else if (auto* verdict = std::get_if<Verdict>(&message))
        receiveVerdict(group, std::move(*verdict));
    else if (const auto* read = std::get_if<OverrideRead>(&message)) {
        topology_.setOverride(read->device, {.known = true, .value = read->value});
        changes_.devices.insert(read->device);
    } else if (const auto* begun = std::get_if<StepBegun>(&message))
        stepBegun(group, begun->step);
    else if (const auto* ended = std::get_if<StepEnded>(&message))
        stepEnded(group, ended->result);
    else if (auto* finished = std::get_if<Finished>(&message))
        receiveEnd(group, std::move(*finished));
    else
        died(group, std::get<Died>(message).how);
}

/// A group of which nothing more is to be done stays with its call until all of the call's have verdicts.
void Core::receiveEnd(unsigned group, Finished finished) {
    auto& running = running_.at(group);
    const auto undertaking = running.undertaking;
    if (running.job || !undertaking)
        return finish(group, finished);
    if (!running.verdict)
        return cannotLaunch(undertaking, finished.error);
    if (undertaking->verdicts.size() < undertaking->groups.size())
        running.ended = std::move(finished);
    else
        finish(group, finished);
}

void Core::setOut(unsigned group) {
    auto& running = running_.at(group);
    const auto& wanted = running.wanted;
    for (const auto& blocker : running.verdict->overridden)
        spdlog::warn("group {}: {} is overridden by {}", group, blocker.str(), wanted.by);
    running.job = JobView{.id = ++lastJob_,
                          .kind = std::string(verb(wanted.action)),
                          .group = group,
                          .startedUsec = realtimeUsec()};
    for (const auto& blocker : running.verdict->overridden)
        running.job->steps.emplace_back("allow " + blocker.code,
                                        fmt::format("by {}: {}", wanted.by, blocker.sentence));
    auto& record = records_[group];
    record.lastError.clear();
    if (running.undertaking->takesBack) {
        ++record.takenBack;
        record.takeBackTries = 0;
        record.lastTakeBack = std::chrono::steady_clock::now();
    }
    running.limit = loop_.timer(wanted.timeout, [this, group] { overdue(group); });
    spdlog::info("group {}: {} begins ({})", group, verb(wanted.action), wanted.by);
    running.work->go();
}

void Core::stepBegun(unsigned group, const std::string& step) {
    auto& running = running_.at(group);
    running.job->steps.emplace_back(step, "running");
    changes_.jobs.insert(group);
}

void Core::stepEnded(unsigned group, const std::string& result) {
    auto& running = running_.at(group);
    running.job->steps.back().second = result;
    const auto& step = running.job->steps.back().first;
    if (result == "done")
        spdlog::debug("group {}: {}: done", group, step);
    else
        spdlog::error("group {}: {}: {}", group, step, result);
    if (running.stuck) {
        running.stuck = false;
        running.job->state = "running";
        running.limit = loop_.timer(running.wanted.timeout, [this, group] { overdue(group); });
        changes_.groups.insert(group);
    }
    changes_.jobs.insert(group);
}

/// A step, or the look before it, has not come back in time: it hangs in the kernel.
void Core::overdue(unsigned group) {
    auto& running = running_.at(group);
    running.stuck = true;
    groupsCameFree();
    refreshGroup(group);
    auto& record = records_[group];
    if (!running.job) {
        record.lastError =
            fmt::format("reading the state of group {} has not come back in time: another program's unbind "
                        "hangs in the kernel (see dmesg)",
                        group);
        spdlog::error("{}", record.lastError);
        const auto undertaking = running.undertaking;
        if (undertaking->reply || undertaking->checkReply) {
            undertaking->givenUp = true;
            letOthersGo(*undertaking);
        }
        return replyError(*undertaking, {ApiError::Kind::kernelRefused, record.lastError + ": ETIMEDOUT"});
    }
    running.job->state = "stuck";
    const auto step =
        running.job->steps.empty() ? std::string("the first step") : running.job->steps.back().first;
    record.lastError = fmt::format("'{}' has not come back within {} ms; it hangs in the kernel", step,
                                   running.wanted.timeout.count());
    spdlog::error("group {}: {}", group, record.lastError);
    changes_.jobs.insert(group);
    lookForHolders(group);
}

/// Names who holds a stuck group. A worker looks, since reading another process's command line can block too.
void Core::lookForHolders(unsigned group) {
    auto& running = running_.at(group);
    running.look = executor_.start({.kind = WorkOrder::Kind::holders, .group = group}, topology_,
                                   [this, group](const WorkMessage& message) {
                                       const auto it = running_.find(group);
                                       if (it == running_.end())
                                           return;
                                       if (const auto* verdict = std::get_if<Verdict>(&message))
                                           noteHolders(group, verdict->holders);
                                       else
                                           it->second.look.reset();
                                   });
}

void Core::noteHolders(unsigned group, const std::vector<Holder>& found) {
    auto& record = records_[group];
    record.holders = found;
    for (const auto& holder : found)
        record.lastError += fmt::format("; {} (pid {}) holds it", holder.command, holder.pid);
    if (!found.empty())
        spdlog::error("group {}: {}", group, record.lastError);
    changes_.groups.insert(group);
}

void Core::finish(unsigned group, const Finished& finished) {
    Running done = std::move(running_.at(group));
    running_.erase(group);
    groupsCameFree();
    changes_.jobList = true;
    readDriverNames();
    noteOutcome(group, done, finished);
    if (done.job) {
        const auto steps = stepsDone(*done.job);
        if (finished.result == "done")
            spdlog::info("group {}: {} done: {}", group, done.job->kind, steps);
        else
            spdlog::error("group {}: {} {}: {} (what went well: {})", group, done.job->kind, finished.result,
                          records_[group].lastError, steps);
        if (listener_ != nullptr)
            listener_->jobRemoved(*done.job, finished.result);
    }
    watchDrift(group);
    if (done.kind == WorkOrder::Kind::recover && finished.result == "rolled-back")
        resume(group);
    else
        consider(group);
    if (topology_.findGroup(group) == nullptr && !running_.contains(group))
        records_.erase(group); // it vanished meanwhile
}

void Core::noteOutcome(unsigned group, const Running& done, const Finished& finished) {
    refreshGroup(group);
    auto& record = records_[group];
    if (!done.job) {
        if (done.verdict && !done.verdict->blockers.empty())
            record.refused = std::pair(done.wanted, driversOf(group));
        return;
    }
    record.lastError = finished.error;
    for (const auto& difference : finished.differences)
        record.lastError += (record.lastError.empty() ? "" : "; ") + difference;
    record.unresolved = finished.result == "failed" && !finished.differences.empty();
    if (finished.result != "done") {
        if (done.kind != WorkOrder::Kind::recover)
            record.refused = std::pair(done.wanted, driversOf(group));
        if (done.kind == WorkOrder::Kind::carryOut && done.undertaking &&
            done.undertaking->requests.contains(group))
            if (auto saved = ledger_.setRequests(topology_, {{group, done.requestBefore}}); !saved)
                spdlog::error("group {}: the failed request cannot be taken out of the ledger: {}", group,
                              saved.error().str());
        return;
    }
    record.holders.clear();
    if (done.wanted.action == Action::bind) {
        adopt(group, done.verdict ? done.verdict->drivers : std::map<Address, std::string>{});
    } else if (auto saved = ledger_.setOwned(group, topology_, std::nullopt); !saved) {
        spdlog::error("group {} is released, but a restart will take it as ours: {}", group,
                      saved.error().str());
    }
}

/// The worker was killed, or crashed: its journal tells what is to be resolved.
void Core::died(unsigned group, const std::string& how) {
    spdlog::error("group {}: {}", group, how);
    auto& running = running_.at(group);
    if (!running.job) {
        const auto undertaking = running.undertaking;
        if (undertaking && (undertaking->reply || undertaking->checkReply))
            return refuse(undertaking,
                          {ApiError::Kind::kernelRefused,
                           fmt::format("the guards of group {} did not finish: {}", group, how)});
        return finish(group, Finished{"failed", how, {}});
    }
    const auto left = journals_.load();
    const auto journal = std::ranges::find(left.journals, group, &Journal::group);
    const bool open = journal != left.journals.end();
    finish(group, Finished{"failed", how, {}});
    if (open && !running_.contains(group))
        launchRecovery(*journal);
}

const JobView* Core::jobOf(unsigned group) const {
    const auto running = running_.find(group);
    return running != running_.end() && running->second.job ? &*running->second.job : nullptr;
}

std::vector<std::uint32_t> Core::jobIds() const {
    std::vector<std::uint32_t> ids;
    for (const auto& running : running_ | std::views::values)
        if (running.job)
            ids.push_back(running.job->id);
    return ids;
}

std::vector<JobView> Core::jobs() const {
    std::vector<JobView> list;
    for (const auto& running : running_ | std::views::values)
        if (running.job)
            list.push_back(*running.job);
    return list;
}

} // namespace vfiobind
