// SPDX-License-Identifier: LGPL-2.1-or-later
// Resolves what a worker that was cut off has left, be it of this run of the daemon or of an earlier one.
#include "group/group.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// The pauses before the second and the third try when workers die one after another. After the third,
/// nothing is tried until somebody asks.
constexpr std::array<std::chrono::seconds, 2> deathPauses{1s, 5s};

/// Returns what the journal knows of a verdict: the native drivers that the members were on.
Verdict verdictFrom(const Journal& journal) {
    Verdict verdict;
    for (const auto& member : journal.members)
        if (!member.vfio)
            verdict.drivers[member.device] = member.driver;
    return verdict;
}

/// Opens the worker that wrote the journal; returns a negative descriptor if that worker has ended. Open
/// first, then compare the start time: only while the descriptor is open does the pid stay the same
/// process's.
Descriptor openWorker(const Journal& journal) {
    if (journal.pid <= 0 || journal.pidStartTime == 0)
        return Descriptor(-1);
    // glibc 2.36 declares pidfd_open(2) without C linkage.
    Descriptor worker(static_cast<int>(syscall(SYS_pidfd_open, journal.pid, 0)));
    if (worker.get() >= 0 && processStartTime(journal.pid) != journal.pidStartTime)
        return Descriptor(-1);
    return worker;
}

} // namespace

void Group::recover(Journal journal) {
    if (!isIdle())
        return;
    auto wanted = around_.intent.wanted(number_).value_or(Wanted{});
    wanted.action = journal.action;
    wanted.rule = journal.rule;
    wanted.by = journal.by;
    Working taken{
        .attempt = {.wanted = std::move(wanted), .kind = WorkOrder::Kind::recover, .call = {}, .work = {}},
        .verdict = verdictFrom(journal),
        .job = {.id = 0,
                .kind = std::string(verb(journal.action)),
                .group = number_,
                .startedUsec = journal.startedUsec},
        .limit = {}};
    if (auto worker = openWorker(journal); worker.get() >= 0)
        return awaitOldWorker(std::move(taken), std::move(journal), std::move(worker));
    spdlog::warn("group {}: a {} was cut off; it is finished or undone now", number_, verb(journal.action));
    try {
        taken.attempt.work = around_.executor.start(
            {.kind = WorkOrder::Kind::recover, .group = number_, .journal = std::move(journal)},
            around_.machine.topology(), [this](WorkMessage message) { receive(std::move(message)); });
    } catch (const std::system_error& error) {
        return countDeath(std::string("no worker could be started: ") + error.what());
    }
    taken.job.id = ++around_.lastJob;
    taken.limit = around_.loop.timer(taken.attempt.wanted.timeout, [this] { jobOverdue(); });
    state_ = std::move(taken);
    announce();
}

void Group::awaitOldWorker(Working taken, Journal journal, Descriptor worker) {
    taken.job.id = ++around_.lastJob;
    taken.job.state = "stuck";
    for (const auto& step : journal.steps)
        taken.job.steps.emplace_back(step.step, step.result == "begun" ? "running" : step.result);
    const auto step = journal.steps.empty() ? std::string("the first step") : journal.steps.back().step;
    const auto how = fmt::format("'{}' of worker {}, of an earlier run, has not come back; it is waited for",
                                 step, journal.pid);
    const auto fd = worker.get();
    auto end = around_.loop.io(fd, EPOLLIN, [this] { oldWorkerEnded(); });
    state_.emplace<AwaitingOldWorker>(AwaitingOldWorker{.wanted = std::move(taken.attempt.wanted),
                                                        .journal = std::move(journal),
                                                        .job = std::move(taken.job),
                                                        .worker = std::move(worker),
                                                        .end = std::move(end),
                                                        .holders = {}});
    tellWhoHolds(step, how);
    announce();
}

void Group::oldWorkerEnded() {
    if (auto left = around_.journals.load(number_)) {
        finish(Finished{"failed", "the worker ended before its transaction did", {}});
        return recover(std::move(*left));
    }
    // Without a journal the worker came to its end; the devices show which.
    const auto journal = std::get<AwaitingOldWorker>(state_).journal;
    const bool arrived = std::ranges::all_of(journal.members, [this](const JournalMember& member) {
        const auto device = readDevice(around_.machine.sysfs(), member.device);
        return !device || (member.toDriver.empty() ? device->driver != member.driver
                                                   : device->driver == member.toDriver);
    });
    finish(Finished{arrived ? "done" : "rolled-back",
                    arrived ? "" : "a worker of an earlier run undid its transaction",
                    {}});
}

/// The worker was killed, or crashed. What it had begun to write is in its journal.
void Group::died(const std::string& how) {
    spdlog::error("group {}: {}", number_, how);
    if (const auto* working = this->working()) {
        const bool recovering = working->attempt.kind == WorkOrder::Kind::recover;
        if (recovering)
            countDeath(how);
        finish(Finished{"failed", how, {}});
        if (!memory_.gaveUp.empty())
            memory_.lastError = memory_.gaveUp;
        if (!recovering)
            tryAgain();
        return;
    }
    group_states::Attempt* attempt = nullptr;
    if (auto* looking = std::get_if<Looking>(&state_))
        attempt = &looking->attempt;
    else if (auto* hung = hungLook())
        attempt = &hung->attempt;
    else if (auto* judged = std::get_if<Judged>(&state_))
        attempt = &judged->attempt;
    if (attempt == nullptr)
        return;
    const auto call = attempt->call;
    if (attempt->kind == WorkOrder::Kind::carryOut)
        countDeath(how);
    call->cannotJudge(number_, how);
}

void Group::countDeath(const std::string& how) {
    if (memory_.deaths < deathPauses.size()) {
        again_ = around_.loop.timer(deathPauses.at(memory_.deaths), [this] { tryAgain(); });
        memory_.lastError = how;
    } else {
        memory_.gaveUp = memory_.lastError =
            fmt::format("{} workers have died one after another, the last one so: {}; nothing more is tried "
                        "until somebody asks for it or the configuration is read again",
                        memory_.deaths + 1, how);
        spdlog::error("group {}: {}", number_, memory_.gaveUp);
    }
    ++memory_.deaths;
    around_.changes.group(number_);
}

void Group::tryAgain() {
    again_.reset();
    if (!isIdle())
        return;
    if (auto left = around_.journals.load(number_))
        recover(std::move(*left));
    else
        around_.consider(number_, false);
}

} // namespace vfiobind
