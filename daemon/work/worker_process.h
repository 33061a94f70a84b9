// SPDX-License-Identifier: LGPL-2.1-or-later
/// The process that a worker is, from its fork to its end.
#pragma once

#include "work/work.h"

#include <string>
#include <unistd.h>
#include <vector>

namespace vfiobind {

/// What the daemon sends down the worker's socket when its group may be changed.
constexpr char wordToGo = 'g';

/// What workers write to, besides the daemon's socket.
struct WorkerFiles {
    Sysfs& sysfs;
    JournalStore& journals;
    std::string stateDirectory; ///< below it are the locks and the journals

    std::string locks() const { return stateDirectory + "/lock"; } ///< for lockGroup()
};

/// In the child: signals as a worker has them, its name, and of the daemon's descriptors none but `keep`: a
/// worker that hangs for ever must not hold the bus connection or the netlink sockets.
void becomeWorker(std::vector<int> keep);

/// Closes every descriptor from 3 on but these.
void keepOnly(std::vector<int> keep);

/// The rest of a forked process. What is thrown in it ends it with SIGABRT: it must not find its way into the
/// daemon's code, of which the process has a copy.
template <typename Task>
[[noreturn]] void endAfter(Task task) noexcept {
    task();
    _exit(0);
}

/// The journal that a worker of the group has left, empty when there is none. While the lock was waited for,
/// its holder may have been killed.
Journal journalLeft(const WorkerFiles& files, unsigned group);

/// Carries out the order, and tells the daemon through the socket.
void workAlone(const WorkerFiles& files, const WorkOrder& order, const Topology& topology, int socket);

} // namespace vfiobind
