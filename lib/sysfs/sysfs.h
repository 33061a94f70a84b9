// SPDX-License-Identifier: LGPL-2.1-or-later
/// The one seam to the kernel's files. Everything that the library knows of the machine comes through it,
/// and every kernel write goes out through it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind {

/// What the kernel answered to a file operation. A value, since failing is normal here.
struct SysError {
    std::string operation; ///< "read", "write", "list", "readlink", "stat", "open", "dump"
    std::string path;
    int code = 0; ///< errno

    /// `write /sys/bus/pci/drivers/vfio-pci/bind: EBUSY (Device or resource busy)`
    std::string str() const;
};

template <typename T>
using SysResult = std::expected<T, SysError>;

/// The device that a node stands for (st_mode and st_rdev, inode(7)). The kernel knows devices by it,
/// whatever path, mount or namespace a node of it lies in.
struct DeviceNumber {
    bool block = false; ///< else a character device
    unsigned major = 0;
    unsigned minor = 0;
    auto operator<=>(const DeviceNumber&) const = default;
    /// `8:16`, as `dev` files have it (Documentation/ABI/testing/sysfs-dev).
    std::string str() const;
};
/// Nothing unless the text is of the form `8:16`.
std::optional<DeviceNumber> parseDeviceNumber(std::string_view text, bool block);

/// `EBUSY` for EBUSY, `errno 9999` for what has no name (strerrorname_np(3)).
std::string errnoName(int code);

class Sysfs {
public:
    virtual ~Sysfs() = default;

    /// The file's content as the kernel gives it, at most `limit` bytes, a trailing newline kept out.
    virtual SysResult<std::string> read(const std::string& path, std::size_t limit = 65536) const = 0;
    /// One write(2) of the whole data to the existing file.
    virtual SysResult<void> write(const std::string& path, std::string_view data) = 0;
    /// The names in a directory, without `.` and `..`, sorted.
    virtual SysResult<std::vector<std::string>> list(const std::string& path) const = 0;
    /// A symbolic link's target, as readlink(2) gives it.
    virtual SysResult<std::string> link(const std::string& path) const = 0;
    /// The symbolic links in a directory with their targets, sorted by name. Entries that are no links, or
    /// are gone meanwhile, are left out. One answer is cheaper than link() for each.
    virtual SysResult<std::vector<std::pair<std::string, std::string>>> links(const std::string& path) const;
    /// The directories in a directory, no links to such, sorted. What is there and does not tell counts as
    /// one.
    virtual SysResult<std::vector<std::string>> folders(const std::string& path) const;
    /// The number of directories in a directory by its count of links (st_nlink - 2). sysfs counts those of
    /// other network namespaces, which folders() does not show (kernfs_refresh_inode() in fs/kernfs/inode.c),
    /// and /proc/PID/task the threads (proc_task_getattr() in fs/proc/base.c). This default counts folders().
    virtual SysResult<std::size_t> countedFolders(const std::string& path) const;
    /// The device whose node the path leads to, links followed, so that /proc/PID/fd/N answers for the open
    /// file whatever its link says. Nothing for a file of another kind.
    virtual SysResult<std::optional<DeviceNumber>> node(const std::string& path) const = 0;
    /// The devices whose nodes are among a directory's entries, as node() has them: for /proc/PID/fd. What is
    /// gone meanwhile is left out; any other error of an entry is the answer.
    virtual SysResult<std::vector<DeviceNumber>> nodes(const std::string& path) const;
    /// Whether two threads are known to have one table of descriptors (kcmp(2), KCMP_FILES).
    virtual bool shareDescriptors(unsigned thread, unsigned other) const;
    /// Opens the block device that has the number with O_RDONLY|O_EXCL|O_NONBLOCK and closes it: EBUSY where
    /// the kernel has it claimed for a mount, device-mapper, MD, swap, an export or another O_EXCL (open(2)).
    /// ENXIO where the path is no node of that number. For the moment between nobody else can claim it.
    virtual SysResult<void> openExclusively(const std::string& path, const DeviceNumber& number) const = 0;
    /// Whether there is anything of this name; an answer that could not be had counts as no.
    virtual bool exists(const std::string& path) const = 0;
    /// The answer to a dump request of rtnetlink(7), such as RTM_GETROUTE for AF_INET, of this process's
    /// network namespace: whole messages one after another, without the NLMSG_DONE at the end. The one thing
    /// about the network that no file tells: routes of all tables. ENOSYS where there are only files.
    virtual SysResult<std::string> netlinkDump(std::uint16_t request, std::uint8_t family) const;
};

/// Whether readlink(2) failed because there is no link of that name, or no process any more.
bool isNoLink(int code);

/// The last component of a path: `vfio-pci` for `../../bus/pci/drivers/vfio-pci`.
std::string_view baseName(std::string_view path);

} // namespace vfiobind
