// SPDX-License-Identifier: LGPL-2.1-or-later
// A group's job, from the word to go to its end.
#include "group/group.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <system_error>
#include <time.h>

namespace vfiobind {
namespace {

std::uint64_t realtimeUsec() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

/// Logs all steps of a job in one line, since systemd's journal looks up much about the sender for each line.
std::string stepsDone(const JobView& job) {
    std::string text;
    for (const auto& [step, result] : job.steps)
        if (result == "done")
            text += (text.empty() ? "" : "; ") + step;
    return text.empty() ? "nothing" : text;
}

/// What may help where a driver holds its device though no process has it open; empty for drivers of which
/// nothing is known.
std::string remedyFor(const std::string& step) {
    if (!step.starts_with("unbind ") || !step.ends_with(" nvidia"))
        return {};
    const auto device = step.substr(7, step.rfind(' ') - 7);
    return fmt::format("; nvidia's driver keeps a card that no process has open while its persistence mode "
                       "is on, and nvidia-smi "
                       "-i {} -pm 0 is reported to help",
                       device);
}

/// Returns where the worker that looks for holders is kept; nullptr if nothing hangs.
template <typename State>
std::unique_ptr<Work>* lookForHoldersOf(State& state) {
    if (auto* stuck = std::get_if<group_states::Stuck>(&state))
        return &stuck->holders;
    auto* old = std::get_if<group_states::AwaitingOldWorker>(&state);
    return old != nullptr ? &old->holders : nullptr;
}

} // namespace

void Group::setOut(bool takesBack) {
    auto judged = std::move(std::get<Judged>(state_));
    const auto& wanted = judged.attempt.wanted;
    JobView job{.id = ++around_.lastJob,
                .kind = std::string(verb(wanted.action)),
                .group = number_,
                .startedUsec = realtimeUsec()};
    for (const auto& blocker : judged.verdict.overridden) {
        spdlog::warn("group {}: {} is overridden by {}", number_, blocker.str(), wanted.by);
        job.steps.emplace_back("allow " + blocker.code,
                               fmt::format("by {}: {}", wanted.by, blocker.sentence));
    }
    memory_.lastError.clear();
    if (takesBack)
        drift_.takenBack();
    spdlog::info("group {}: {} begins ({})", number_, verb(wanted.action), wanted.by);
    auto limit = around_.loop.timer(wanted.timeout, [this] { jobOverdue(); });
    state_ = Working{.attempt = std::move(judged.attempt),
                     .verdict = std::move(judged.verdict),
                     .job = std::move(job),
                     .limit = std::move(limit)};
    std::get<Working>(state_).attempt.work->go();
}

/// Announces the job if there is a listener. Before the bus is connected there is none; the service then
/// shows the jobs that run.
void Group::announce() const {
    around_.changes.group(number_);
    around_.changes.jobList();
    if (around_.listener != nullptr)
        around_.listener->jobAdded(*job());
}

void Group::receiveStep(const std::string& step) {
    auto* working = this->working();
    if (working == nullptr)
        return;
    working->job.steps.emplace_back(step, "running");
    around_.changes.job(number_);
}

void Group::receiveStepEnd(const std::string& result) {
    auto* working = this->working();
    if (working == nullptr || working->job.steps.empty())
        return;
    auto& [step, outcome] = working->job.steps.back();
    outcome = result;
    if (result == "done")
        spdlog::debug("group {}: {}: done", number_, step);
    else
        spdlog::error("group {}: {}: {}", number_, step, result);
    around_.changes.job(number_);
    if (!std::holds_alternative<Stuck>(state_))
        return;
    auto goesOn = std::move(*working);
    goesOn.job.state = "running";
    goesOn.limit = around_.loop.timer(goesOn.attempt.wanted.timeout, [this] { jobOverdue(); });
    state_ = std::move(goesOn);
    around_.changes.group(number_);
}

void Group::jobOverdue() {
    auto working = std::move(std::get<Working>(state_));
    working.limit.reset();
    working.job.state = "stuck";
    const auto step =
        working.job.steps.empty() ? std::string("the first step") : working.job.steps.back().first;
    const auto timeout = working.attempt.wanted.timeout;
    state_ = Stuck{.hung = std::move(working), .holders = {}};
    around_.cameFree();
    around_.refresh(number_);
    around_.changes.job(number_);
    tellWhoHolds(step, fmt::format("'{}' has not come back within {} ms; it hangs in the kernel", step,
                                   timeout.count()));
}

/// Tells of a step that is waited for, and has a worker find the holders, since reading another process's
/// command line can block too. That a worker of an earlier run has not ended is no error yet: it may only
/// take its time.
void Group::tellWhoHolds(const std::string& step, const std::string& how) {
    const auto level = std::holds_alternative<Stuck>(state_) ? spdlog::level::err : spdlog::level::warn;
    memory_.lastError = how + remedyFor(step);
    spdlog::log(level, "group {}: {}", number_, memory_.lastError);
    const auto listen = [this, level](const WorkMessage& message) {
        auto* look = lookForHoldersOf(state_);
        if (look == nullptr)
            return;
        const auto* verdict = std::get_if<Verdict>(&message);
        if (verdict == nullptr) {
            look->reset();
            return;
        }
        memory_.holders = verdict->holders;
        for (const auto& holder : verdict->holders)
            memory_.lastError += fmt::format("; {} (pid {}) holds it", holder.program, holder.pid);
        if (!verdict->holders.empty())
            spdlog::log(level, "group {}: {}", number_, memory_.lastError);
        around_.changes.group(number_);
    };
    try {
        *lookForHoldersOf(state_) = around_.executor.start(
            {.kind = WorkOrder::Kind::holders, .group = number_}, around_.machine.topology(), listen);
    } catch (const std::system_error& error) {
        spdlog::error("group {}: who holds it cannot be looked for: {}", number_, error.what());
    }
}

void Group::finish(const Finished& finished) {
    Working done;
    if (auto* old = std::get_if<AwaitingOldWorker>(&state_))
        done = {.attempt = {.wanted = std::move(old->wanted),
                            .kind = WorkOrder::Kind::recover,
                            .call = {},
                            .work = {}},
                .verdict = {},
                .job = std::move(old->job),
                .limit = {}};
    else
        done = std::move(*working());
    state_ = Idle{};
    around_.cameFree();
    around_.changes.jobList();
    around_.machine.readDrivers();
    noteOutcome(done, finished);
    const auto steps = stepsDone(done.job);
    if (finished.result == "done")
        spdlog::info("group {}: {} done: {}", number_, done.job.kind, steps);
    else
        spdlog::error("group {}: {} {}: {} (what went well: {})", number_, done.job.kind, finished.result,
                      memory_.lastError, steps);
    if (around_.listener != nullptr)
        around_.listener->jobRemoved(done.job, finished.result);
    watchDrift();
    around_.consider(number_,
                     done.attempt.kind == WorkOrder::Kind::recover && finished.result == "rolled-back");
}

void Group::noteOutcome(const Working& done, const Finished& finished) {
    around_.refresh(number_);
    memory_.lastError = finished.error;
    for (const auto& difference : finished.differences)
        memory_.lastError += (memory_.lastError.empty() ? "" : "; ") + difference;
    for (const auto& warning : finished.warnings) {
        spdlog::warn("group {}: {}", number_, warning);
        memory_.lastError += (memory_.lastError.empty() ? "" : "; ") + warning;
    }
    memory_.unresolved = finished.result == "failed" && !finished.differences.empty();
    const auto& attempt = done.attempt;
    if (finished.result != "done") {
        if (attempt.kind != WorkOrder::Kind::recover)
            memory_.refused = std::pair(attempt.wanted, around_.machine.driversOf(number_));
        if (attempt.kind == WorkOrder::Kind::carryOut && attempt.call)
            attempt.call->withdraw(number_);
        return;
    }
    memory_.holders.clear();
    memory_.deaths = 0;
    memory_.gaveUp.clear();
    holderWatch_.reset();
    holderPause_ = {};
    if (attempt.wanted.action == Action::bind)
        around_.intent.adopt(number_, done.verdict.drivers);
    else
        around_.intent.disown(number_);
}

} // namespace vfiobind
