// SPDX-License-Identifier: LGPL-2.1-or-later
/// A worker's process, from its fork to its end.
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

/// Call it in the child. Sets the worker's signals and name, and closes all descriptors of the daemon's but
/// `keep`: a worker that hangs for ever must not hold the bus connection or the netlink sockets.
void becomeWorker(std::vector<int> keep);

/// Closes every descriptor from 3 on, except those in `keep`.
void keepOnly(std::vector<int> keep);

/// Runs `task`, then ends the forked process. An exception ends it with SIGABRT, since it must not reach the
/// daemon's code, of which the process has a copy.
template <typename Task>
[[noreturn]] void endAfter(Task task) noexcept {
    task();
    _exit(0);
}

/// Returns the journal that an earlier worker of the group has left; empty if there is none. Call it with the
/// group's lock held: the lock's last holder may have been killed.
Journal journalLeft(const WorkerFiles& files, unsigned group);

/// Carries out the order, and reports to the daemon through the socket.
void workAlone(const WorkerFiles& files, const WorkOrder& order, const Topology& topology, int socket);

} // namespace vfiobind
