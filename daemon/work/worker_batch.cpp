// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/worker_batch.h"

#include "work/message_batch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fmt/format.h>
#include <iterator>
#include <poll.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {
namespace {

/// Whether the daemon has let go of the group.
bool isDropped(int socket) {
    pollfd polled{.fd = socket, .events = 0, .revents = 0};
    return poll(&polled, 1, 0) > 0;
}

/// Whether another process works on the group, such as a worker that has outlived its daemon.
bool isLocked(const WorkerFiles& files, unsigned group) {
    const auto lock = tryLockGroup(files.locks(), group);
    if (lock)
        close(*lock);
    return !lock && lock.error().code == EWOULDBLOCK;
}

} // namespace

WorkerBatch::WorkerBatch(WorkerFiles files, const std::vector<WorkOrder>& orders, Topology topology,
                         const std::vector<int>& sockets, std::chrono::milliseconds freshFor) :
    files_(std::move(files)), topology_(std::move(topology)), host_(files_.sysfs), freshFor_(freshFor) {
    for (std::size_t i = 0; i < orders.size(); ++i)
        members_.push_back({.order = orders[i], .socket = sockets[i]});
}

void WorkerBatch::run() {
    signal(SIGCHLD, SIG_IGN); // children are reaped at once: the daemon checks whether a worker still lives
    for (auto& member : members_)
        look(member);
    while (std::ranges::any_of(members_, &Member::waits))
        awaitWords();
    while (wait(nullptr) > 0 || errno == EINTR)
        ;
}

/// Takes no lock: the process that is forked for the group takes the group's lock, since this process may
/// hang at another group.
void WorkerBatch::look(Member& member) {
    if (isDropped(member.socket)) {
        close(member.socket);
        return;
    }
    if (member.order.kind == WorkOrder::Kind::carryOut && isLocked(files_, member.order.group))
        return forkFor(member, [&] { workAlone(files_, member.order, topology_, member.socket); });
    MessageBatch(member.socket, false)(LookBegun{});
    MessageBatch tell(member.socket, true);
    member.waits =
        judge(host_, files_.sysfs, member.order, topology_, [&](const WorkMessage& m) { tell(m); });
    if (!member.waits)
        close(member.socket);
}

/// Returns the members that got the word to go. Closes the members whose group the daemon has dropped. Waits
/// `timeout` milliseconds, without limit if negative (poll(2)).
std::vector<WorkerBatch::Member*> WorkerBatch::whoMayGo(int timeout) {
    std::vector<pollfd> polled;
    std::vector<Member*> waiting;
    for (auto& member : members_)
        if (member.waits) {
            polled.push_back({.fd = member.socket, .events = POLLIN, .revents = 0});
            waiting.push_back(&member);
        }
    if (poll(polled.data(), polled.size(), timeout) < 0) {
        if (errno == EINTR)
            return {};
        throw std::system_error(errno, std::generic_category(), "poll for the words to go");
    }
    std::vector<Member*> told;
    for (std::size_t i = 0; i < polled.size(); ++i) {
        if (polled[i].revents == 0)
            continue;
        char word = 0;
        waiting[i]->waits = false;
        if (read(waiting[i]->socket, &word, 1) == 1 && word == wordToGo)
            told.push_back(waiting[i]);
        else
            close(waiting[i]->socket);
    }
    return told;
}

/// Waits for the first word to go, reads the host again, and forks a process for each member that may go.
/// Words come close together, so members whose word came during the reading go as well.
void WorkerBatch::awaitWords() {
    auto told = whoMayGo(-1);
    if (told.empty())
        return;
    host_.again();
    hostRead_ = std::chrono::steady_clock::now();
    std::ranges::copy(whoMayGo(0), std::back_inserter(told));
    for (auto* member : told)
        forkFor(*member, [&] { carryOut(*member); });
}

/// Runs in the process that was forked for the group.
void WorkerBatch::carryOut(Member& member) {
    auto lock = tryLockGroup(files_.locks(), member.order.group); // held until the process ends
    const bool waited = !lock && lock.error().code == EWOULDBLOCK;
    if (waited)
        lock = lockGroup(files_.locks(), member.order.group);
    if (!lock)
        return MessageBatch(member.socket, false)(Finished{"failed", lock.error().str(), {}});
    if (waited || std::chrono::steady_clock::now() - hostRead_ > freshFor_)
        host_.again();
    member.order.journal = journalLeft(files_, member.order.group);
    MessageBatch tell(member.socket, member.order.journal.members.empty());
    carryOutJudged(host_, files_.sysfs, member.order, topology_, files_.journals,
                   [&](const WorkMessage& m) { tell(m); });
}

void WorkerBatch::forkFor(Member& member, const std::function<void()>& task) {
    const int pid = fork();
    if (pid == 0)
        endAfter([&] {
            keepOnly({member.socket});
            task();
        });
    if (pid < 0)
        MessageBatch(member.socket, false)(Finished{
            "failed",
            fmt::format("no process could be started for it: {}", std::generic_category().message(errno)),
            {}});
    close(member.socket);
}

} // namespace vfiobind
