// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which processes have device nodes open.
#pragma once

#include "sysfs/sysfs.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

struct Opener {
    unsigned pid = 0;
    std::string command; ///< the VM's name where the command line tells it, else the command
    std::string node;    ///< the first of the nodes that it has open
    bool operator==(const Opener&) const = default;
};

struct Openers {
    std::vector<Opener> found;        ///< in order of /proc; a process once for each node
    std::vector<SysError> unreadable; ///< processes whose descriptors could not be looked at, or /proc itself
};

/// The mounts of a mount namespace, as one process in it has them.
struct MountTable {
    std::string process; ///< its number, or `1` or `self`
    bool isHosts;        ///< of process 1 or of this one
    bool isKnown;        ///< false: which namespace it is cannot be told; it can be another's once more
    /// mountinfo (proc_pid_mountinfo(5)), whole: too long a one is an error (EFBIG).
    SysResult<std::string> text;
};

/// The programs that run, for all guards that look at the same time: what they all need is read once.
class Programs {
public:
    explicit Programs(const Sysfs& sysfs) : sysfs_(sysfs) {}

    /// The numbers of the processes, as /proc names them, without the kernel's own: those have no `exe`, no
    /// descriptors, and the host's mounts.
    const SysResult<std::vector<std::string>>& numbers();

    /// Those of process 1, of this process, and of every other namespace that a process lives in, each
    /// namespace once. Processes that ended meanwhile are left out.
    const std::vector<MountTable>& mountTables();

    /// Who has one of the nodes open. They are looked for, never opened: some can be opened once only
    /// (doc/kernel.md 8). /proc/PID/fd of other users' processes can be listed with CAP_DAC_READ_SEARCH only;
    /// /proc/PID/fdinfo with CAP_SYS_PTRACE, and its `ino:` and `mnt_id:` lines (proc_pid_fdinfo(5)) are
    /// compared with the nodes as the process sees them, since libvirt gives QEMU a /dev of its own. Before
    /// Linux 5.14 there is no `ino:`, and that process is unreadable (EOPNOTSUPP).
    Openers openersOf(const std::set<std::string>& nodes);

    /// Reads again what has been asked for.
    void again();

private:
    /// A descriptor as fdinfo has it.
    struct Descriptor {
        std::string number;
        std::uint64_t inode = 0;
        std::uint64_t mount = 0;
    };
    const SysResult<std::set<std::string>>& links(const std::string& number);
    const SysResult<std::vector<Descriptor>>& descriptors(const std::string& number);
    SysResult<std::vector<Descriptor>> readDescriptors(const std::string& process) const;
    SysResult<std::set<std::string>> openAmong(const std::string& number, const std::set<std::string>& nodes);
    void learnMounts(const std::string& mountinfo);
    bool onDeviceNodes(const std::string& number, std::uint64_t mount);

    const Sysfs& sysfs_;
    std::optional<SysResult<std::vector<std::string>>> numbers_;
    std::optional<std::vector<MountTable>> mountTables_;
    std::map<std::uint64_t, bool> hasDeviceNodes_; ///< by the mount's number
    std::map<std::string, bool> ownMountsRead_;    ///< by process: those that onDeviceNodes() asked
    std::map<std::string, SysResult<std::set<std::string>>> links_; ///< what is open below /dev, by process
    std::map<std::string, SysResult<std::vector<Descriptor>>> descriptors_; ///< where links are not shown
};

/// `qemu-system-x86 (VM win11) (pid 812), cage (pid 9)`, each process once.
std::string named(const std::vector<Opener>& openers);

} // namespace vfiobind
