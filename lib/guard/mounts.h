// SPDX-License-Identifier: LGPL-2.1-or-later
/// What file systems and swap the host uses, in whichever mount namespace.
#pragma once

#include "guard/processes.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <vector>

namespace vfiobind {

/// A line of mountinfo (proc_pid_mountinfo(5)).
struct Mount {
    std::string number; ///< `major:minor`; btrfs and ZFS have numbers of their own
    std::string point;
    std::string type;
    std::string source;            ///< `/dev/mapper/vg0-root`, or whatever the file system says
    std::vector<std::string> more; ///< XFS's log and realtime devices, which are others than the source
    std::string process; ///< "" for the host's namespace, else the pid of one in the other namespace
    bool operator==(const Mount&) const = default;
};

struct Mounts {
    std::vector<Mount> all;
    std::vector<SysError> unreadable; ///< namespaces that are there and could not be looked into
};

/// The mounts of the host's namespace (that of process 1), of this process's, and of every other that a
/// process lives in: each namespace is read once. A daemon in a sandbox sees other mounts than the host, and
/// a container's are seen nowhere else. Namespaces of processes that this one may not look at are left out,
/// but for the host's.
Mounts readMounts(Programs& programs);

struct Swap {
    std::string path; ///< `/dev/dm-1`, or a file's
    bool operator==(const Swap&) const = default;
};

/// proc_swaps(5); none on a kernel without swap.
SysResult<std::vector<Swap>> readSwaps(const Sysfs& sysfs);

/// The mount that a path lies in, of the host's namespace; nullptr where there is none.
const Mount* mountOf(const Mounts& mounts, const std::string& path);

/// Where something is mounted, in a sentence.
struct MountPoints {
    std::string text; ///< empty for nowhere
    std::vector<Detail> details;
    bool empty() const { return text.empty(); }
};

/// Of the mount points by Mount::process: the host's, or else those of other namespaces. What a container
/// has mounted tells what it is, so that is for root and the user of its process.
MountPoints mountPointsOf(const Programs& programs,
                          const std::map<std::string, std::vector<std::string>>& byProcess);

/// False in an initramfs, whose own file system is at `/`.
bool rootIsMounted(const Mounts& mounts);

} // namespace vfiobind
