// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/worker_process.h"

#include "work/message_batch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <sys/prctl.h>
#include <unistd.h>

namespace vfiobind {
namespace {

void resetSignals() {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // If the daemon ends first, nobody reads the socket, and the work still goes on.
    signal(SIGPIPE, SIG_IGN);
    // A reload or a terminal's ^C is meant for the daemon.
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

bool awaitWord(int socket) {
    char word = 0;
    ssize_t n = 0;
    do {
        n = read(socket, &word, 1);
    } while (n < 0 && errno == EINTR);
    return n == 1 && word == wordToGo;
}

SysResult<int> lockFor(const WorkerFiles& files, const WorkOrder& order) {
    if (order.kind != WorkOrder::Kind::createVfs)
        return lockGroup(files.locks(), order.group);
    return lockForDevice(files.locks(), order.devices.front(),
                         order.inGroup ? std::optional(order.group) : std::nullopt);
}

} // namespace

void keepOnly(std::vector<int> keep) {
    std::ranges::sort(keep);
    unsigned from = 3;
    for (const int fd : keep) {
        if (const auto number = static_cast<unsigned>(fd); number > from)
            close_range(from, number - 1, 0);
        from = std::max(from, static_cast<unsigned>(fd) + 1);
    }
    close_range(from, ~0U, 0);
}

void becomeWorker(std::vector<int> keep) {
    resetSignals();
    keepOnly(std::move(keep));
    prctl(PR_SET_NAME, "vfio-bind-work");
}

Journal journalLeft(const WorkerFiles& files, unsigned group) {
    auto left = FileJournalStore(files.stateDirectory).load(group);
    return left && left->group == group ? std::move(*left) : Journal{};
}

void workAlone(const WorkerFiles& files, const WorkOrder& order, const Topology& topology, int socket) {
    using Kind = WorkOrder::Kind;
    auto full = order;
    if (order.kind == Kind::carryOut || order.kind == Kind::examine)
        MessageBatch(socket, false)(LookBegun{});
    if (order.kind == Kind::carryOut || order.kind == Kind::recover || order.kind == Kind::createVfs)
        if (const auto lock = lockFor(files, order); !lock) // held until the process ends
            return MessageBatch(socket, false)(Finished{"failed", lock.error().str(), {}});
    if (order.kind == Kind::carryOut)
        full.journal = journalLeft(files, order.group);
    // Do not gather for a survey or a recovery: each reads files that may hang between two messages.
    const bool readsOne = order.kind == Kind::examine || order.kind == Kind::carryOut;
    MessageBatch tell(socket, readsOne && full.journal.members.empty());
    work(
        files.sysfs, full, topology, files.journals, [&tell](const WorkMessage& m) { tell(m); },
        [socket] { return awaitWord(socket); });
}

} // namespace vfiobind
