// SPDX-License-Identifier: LGPL-2.1-or-later
/// The one seam to the kernel's files. Everything that the library knows of the machine comes through it,
/// and every kernel write goes out through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind {

/// What the kernel answered to a file operation. A value, since failing is normal here.
struct SysError {
    std::string operation; ///< "read", "write", "list", "readlink", "dump"
    std::string path;
    int code = 0; ///< errno

    /// `write /sys/bus/pci/drivers/vfio-pci/bind: EBUSY (Device or resource busy)`
    std::string str() const;
};

template <typename T>
using SysResult = std::expected<T, SysError>;

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
    /// The inode number that stat(2) gives, symbolic links followed.
    virtual SysResult<std::uint64_t> inode(const std::string& path) const = 0;
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
