// SPDX-License-Identifier: LGPL-2.1-or-later
// What an earlier run, or a worker that was killed, has left.
#include "core.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace vfiobind {
namespace {

/// What a journal knows that a verdict would have told.
Verdict verdictFrom(const Journal& journal) {
    Verdict verdict;
    for (const auto& member : journal.members)
        verdict.drivers[member.device] = member.driver;
    return verdict;
}

/// glibc 2.36 declares pidfd_open(2) without C linkage.
int openPidfd(int pid) {
    return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

} // namespace

void Core::launchRecovery(Journal journal) {
    const unsigned group = journal.group;
    const bool alive =
        journal.pid > 0 && processStartTime(journal.pid) == journal.pidStartTime && journal.pidStartTime != 0;
    if (alive)
        if (const int pidfd = openPidfd(journal.pid); pidfd >= 0)
            return awaitOldWorker(std::move(journal), pidfd);
    auto& running = running_[group];
    running.kind = WorkOrder::Kind::recover;
    takeOver(running, journal);
    spdlog::warn("group {}: a {} was cut off; it is finished or undone now", group, verb(journal.action));
    running.limit = loop_.timer(running.wanted.timeout, [this, group] { overdue(group); });
    announce(running);
    running.work = executor_.start(
        {.kind = WorkOrder::Kind::recover, .group = group, .journal = std::move(journal)}, topology_,
        [this, group](WorkMessage message) { receive(group, std::move(message)); });
}

void Core::takeOver(Running& running, const Journal& journal) {
    running.wanted = wantedFor(journal.group).value_or(Wanted{});
    running.wanted.action = journal.action;
    running.wanted.rule = journal.rule;
    running.wanted.by = journal.by;
    running.verdict = verdictFrom(journal);
    running.job = JobView{.id = ++lastJob_,
                          .kind = std::string(verb(journal.action)),
                          .group = journal.group,
                          .startedUsec = journal.startedUsec};
}

/// Tells of a job that begins. Before the bus is there nobody listens, and the service shows the jobs that
/// run.
void Core::announce(const Running& running) {
    changes_.groups.insert(running.job->group);
    changes_.jobList = true;
    if (listener_ != nullptr)
        listener_->jobAdded(*running.job);
}

/// A worker of an earlier run is still in the kernel: its end is waited for, and its journal looked at again.
void Core::awaitOldWorker(Journal journal, int pidfd) {
    const unsigned group = journal.group;
    spdlog::warn("group {}: worker {} of an earlier run is still in the kernel; it is waited for", group,
                 journal.pid);
    auto& running = running_[group];
    running.kind = WorkOrder::Kind::recover;
    takeOver(running, journal);
    running.stuck = true;
    running.job->state = "stuck";
    for (const auto& step : journal.steps)
        running.job->steps.emplace_back(step.step, step.result == "begun" ? "running" : step.result);
    announce(running);
    auto closer = std::shared_ptr<int>(new int(pidfd), [](const int* fd) {
        close(*fd);
        delete fd;
    });
    running.oldWorker = loop_.io(pidfd, EPOLLIN, [this, group, closer, journal = std::move(journal)] {
        oldWorkerEnded(group, journal);
    });
}

void Core::oldWorkerEnded(unsigned group, const Journal& journal) {
    const auto left = journals_.load();
    const auto remains = std::ranges::find(left.journals, group, &Journal::group);
    if (remains != left.journals.end()) {
        finish(group, Finished{"failed", "the worker ended before its transaction did", {}});
        if (!running_.contains(group))
            launchRecovery(*remains);
        return;
    }
    // Without a journal it came to an end of its own; which, the devices tell.
    const bool arrived = std::ranges::all_of(journal.members, [this](const JournalMember& member) {
        const auto device = readDevice(sysfs_, member.device);
        return !device || (member.toDriver.empty() ? device->driver != member.driver
                                                   : device->driver == member.toDriver);
    });
    finish(group, Finished{arrived ? "done" : "rolled-back",
                           arrived ? "" : "a worker of an earlier run undid its transaction",
                           {}});
}

/// What was cut off has been undone; if it is still wanted, it is done again.
void Core::resume(unsigned group) {
    const auto wanted = wantedFor(group);
    if (!wanted || wanted->action == Action::bind)
        return consider(group);
    auto undertaking = std::make_shared<Undertaking>();
    undertaking->groups.emplace(group, *wanted);
    begin(undertaking);
}

/// A release that was asked for, of a group that still counts as ours: the daemon was ended before the
/// release's journal was written, or after it was removed.
void Core::finishReleases() {
    std::vector<unsigned> groups;
    for (const auto& [group, entry] : ledger_.entries())
        if (entry.owned && entry.request && entry.request->action == Action::release &&
            !running_.contains(group))
            groups.push_back(group);
    for (const auto group : groups) {
        if (stateInputs(group).handedOver > 0)
            resume(group);
        else if (auto saved = ledger_.setOwned(group, topology_, std::nullopt); !saved)
            spdlog::error("group {} is released, but counts as ours still: {}", group, saved.error().str());
    }
}

} // namespace vfiobind
