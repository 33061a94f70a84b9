// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which processes have devices open.
#pragma once

#include "guard/blocker.h"
#include "sysfs/sysfs.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// A process that has a device open.
struct Opener {
    unsigned pid = 0;
    unsigned uid = 0;    ///< its real user
    std::string program; ///< the command's name (proc_pid_comm(5)), printable; for everybody to know
    std::string command; ///< with the VM's name where the command line tells it; for root and its own user
    DeviceNumber device; ///< what it has open
    bool operator==(const Opener&) const = default;
};

struct Openers {
    std::vector<Opener> found;        ///< in order of /proc; a process once for each device
    std::vector<SysError> unreadable; ///< processes whose descriptors could not be looked at, or /proc itself
};

/// The mounts of a mount namespace, as one process in it has them.
struct MountTable {
    std::string process; ///< its number, or `1` or `self`
    bool isHosts;        ///< of process 1, or of this one where that is the same or cannot be told
    bool isKnown;        ///< false: which namespace it is cannot be told; it can be another's once more
    /// mountinfo (proc_pid_mountinfo(5)), whole: too long a one is an error (EFBIG).
    SysResult<std::string> text;
};

/// The programs that run, for all guards that look at the same time: what they all need is read once.
class Programs {
public:
    explicit Programs(const Sysfs& sysfs) : sysfs_(sysfs) {}

    /// The numbers of the processes, as /proc names them, without the kernel's own: those have no `exe`, one
    /// thread, no descriptors, and the host's mounts. A process whose first thread has ended has no `exe`,
    /// either, but others.
    const SysResult<std::vector<std::string>>& numbers();

    /// Those of process 1 and of every other namespace that a process lives in, this one's among them: each
    /// namespace once. Processes that ended meanwhile are left out.
    const std::vector<MountTable>& mountTables();

    /// Who has one of the devices open, by the numbers that the descriptors of all processes lead to, in
    /// whatever table of its threads: so under every name, mount and namespace. Nothing is opened: some nodes
    /// can be opened once only (doc/kernel.md 8). Other users' processes tell it to CAP_DAC_READ_SEARCH and
    /// CAP_SYS_PTRACE only.
    Openers openersOf(const std::set<DeviceNumber>& devices);

    /// The process's real user (proc_pid_status(5)); root where that cannot be read.
    unsigned userOf(const std::string& number) const;

    /// Reads again what has been asked for.
    void again();

private:
    /// What all processes have open.
    struct OpenDevices {
        std::map<DeviceNumber, std::vector<std::string>> processes; ///< the numbers of who has it open
        std::vector<SysError> unreadable;
    };
    const OpenDevices& openDevices();
    bool isKernels(const std::string& number) const;
    std::string folderOf(const std::string& number) const;
    SysResult<std::set<DeviceNumber>> openIn(const std::string& number) const;
    Opener openerFrom(const std::string& number, const DeviceNumber& device) const;

    const Sysfs& sysfs_;
    std::optional<SysResult<std::vector<std::string>>> numbers_;
    std::optional<std::vector<MountTable>> mountTables_;
    std::optional<OpenDevices> open_;
};

/// `qemu-system-x86 (pid 812), cage (pid 9)`, each process once: for sentences that everybody may read.
std::string named(const std::vector<Opener>& openers);
/// What some may read more of in that.
std::vector<Detail> detailsOf(const std::vector<Opener>& openers);

/// Whether the process is of the service (`systemd-udevd`), by what no other user can make look so: its
/// control group, which systemd has made, or, where there are none (an initramfs), its executable and that it
/// is root's.
bool isOfService(const Sysfs& sysfs, unsigned pid, std::string_view service);

} // namespace vfiobind
