// SPDX-License-Identifier: LGPL-2.1-or-later
/// A lease is a pipe: how it is made and found.
#pragma once

#include "sysfs/descriptor.h"
#include "sysfs/sysfs.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace vfiobind {

/// A new lease's pipe. The write end is the caller's: whoever holds it keeps the lease, what is written to it
/// stays in the pipe and wakes nobody, since the daemon waits for the hang-up alone (EPOLLHUP, epoll_ctl(2)).
struct LeasePipe {
    Descriptor daemons; ///< the read end
    Descriptor callers; ///< the write end
    std::uint64_t inode = 0;
};

SysResult<LeasePipe> makeLeasePipe();

/// The inode number of an open pipe; none where the descriptor is something else.
std::optional<std::uint64_t> pipeInode(int fd);

/// Looks in /proc/PID/fd for processes that hold one of the pipes, and opens each pipe that is found anew for
/// reading (proc_pid_fd(5)): no descriptor of another process is taken. Needs CAP_SYS_PTRACE and
/// CAP_DAC_READ_SEARCH for other users' processes; what cannot be looked at counts as no holder.
std::map<std::uint64_t, Descriptor> reopenHeldPipes(const std::set<std::uint64_t>& inodes);

} // namespace vfiobind
