// SPDX-License-Identifier: LGPL-2.1-or-later
#include "together.h"

#include "teller.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// How old what was read of the host may be when a group's process is forked. The words to go come one close
/// upon the other, and are more than one look's worth on a slow machine or with hundreds of groups.
constexpr auto freshFor = 250ms;

} // namespace

Together::Together(const WorkerFiles& files, const std::vector<WorkOrder>& orders, const Topology& topology,
                   const std::vector<int>& sockets) : files_(files), topology_(topology), host_(files.sysfs) {
    for (std::size_t i = 0; i < orders.size(); ++i)
        members_.push_back({.order = orders[i], .socket = sockets[i]});
}

void Together::run() {
    for (auto& member : members_)
        look(member);
    while (std::ranges::any_of(members_, &Member::waits))
        awaitWords();
    while (wait(nullptr) > 0 || errno == EINTR)
        ;
}

void Together::look(Member& member) {
    Teller(member.socket, false)(LookBegun{});
    if (member.order.kind == WorkOrder::Kind::carryOut && !lockAndLoad(member))
        return;
    Teller tell(member.socket, member.order.journal.members.empty());
    member.waits =
        judge(host_, files_.sysfs, member.order, topology_, [&](const WorkMessage& m) { tell(m); });
    if (!member.waits)
        leave(member);
}

/// False when there is nothing more to do here. A group that another process works on is not waited for
/// before the others.
bool Together::lockAndLoad(Member& member) {
    const auto lock = lockGroup(files_.stateDirectory + "/lock", member.order.group, false);
    if (!lock && lock.error().code == EWOULDBLOCK) {
        forkFor(member, [&] { workAlone(files_, member.order, topology_, member.socket); });
        return false;
    }
    if (!lock) {
        Teller(member.socket, false)(Finished{"failed", lock.error().str(), {}});
        leave(member);
        return false;
    }
    member.lock = *lock;
    member.order.journal = journalLeft(files_, member.order.group);
    return true;
}

void Together::awaitWords() {
    std::vector<pollfd> polled;
    std::vector<Member*> waiting;
    for (auto& member : members_)
        if (member.waits) {
            polled.push_back({.fd = member.socket, .events = POLLIN, .revents = 0});
            waiting.push_back(&member);
        }
    if (poll(polled.data(), polled.size(), -1) < 0) {
        if (errno == EINTR)
            return;
        throw std::system_error(errno, std::generic_category(), "poll for the words to go");
    }
    for (std::size_t i = 0; i < polled.size(); ++i) {
        if (polled[i].revents == 0)
            continue;
        char word = 0;
        waiting[i]->waits = false;
        if (read(waiting[i]->socket, &word, 1) == 1 && word == wordToGo)
            setOut(*waiting[i]);
        else
            leave(*waiting[i]);
    }
}

void Together::setOut(Member& member) {
    if (std::chrono::steady_clock::now() - hostRead_ > freshFor) {
        hostRead_ = std::chrono::steady_clock::now();
        host_.again();
    }
    forkFor(member, [&] {
        Teller tell(member.socket, member.order.journal.members.empty());
        carryOutJudged(host_, files_.sysfs, member.order, topology_, files_.journals,
                       [&](const WorkMessage& m) { tell(m); });
    });
}

void Together::forkFor(Member& member, const std::function<void()>& task) {
    const int pid = fork();
    if (pid == 0)
        endAfter([&] {
            std::vector<int> own{member.socket};
            if (member.lock >= 0)
                own.push_back(member.lock);
            keepOnly(std::move(own));
            task();
        });
    if (pid < 0)
        Teller(member.socket, false)(Finished{
            "failed",
            fmt::format("no process could be started for it: {}", std::generic_category().message(errno)),
            {}});
    leave(member);
}

/// A process that was forked for the group keeps its own copies: the lock is held until it ends.
void Together::leave(Member& member) {
    close(member.socket);
    if (member.lock >= 0)
        close(member.lock);
}

} // namespace vfiobind
