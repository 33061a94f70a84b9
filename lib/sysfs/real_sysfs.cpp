// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/real_sysfs.h"

#include "sysfs/descriptor.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

namespace vfiobind {

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

std::unexpected<SysError> failed(const char* operation, const std::string& path, int code) {
    return std::unexpected(SysError{operation, path, code});
}

/// Calls `take` with the directory's descriptor and each entry, until it fails.
template <typename Take>
SysResult<void> eachEntry(const std::string& root, const std::string& path, Take&& take) {
    const std::unique_ptr<DIR, CloseDirectory> directory(::opendir((root + path).c_str()));
    if (!directory)
        return failed("list", path, errno);
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr)
            break;
        const std::string_view name = entry->d_name;
        if (name == "." || name == "..")
            continue;
        if (auto taken = take(::dirfd(directory.get()), *entry); !taken)
            return taken;
    }
    if (errno != 0)
        return failed("list", path, errno);
    return {};
}

/// 0, or the errno. Nothing is asked for that a file system would have to look up, and no server is asked: a
/// process's file on a dead NFS server must not hold up the one who looks. All file systems tell mode and
/// device number nevertheless, but for a FUSE that does not answer us (fuse_getattr() in fs/fuse/dir.c): it
/// is of another user, so it has no device nodes that could be opened.
int statNode(int directory, const char* path, std::optional<DeviceNumber>& number) {
    struct statx found{};
    if (::statx(directory, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &found) != 0)
        return errno;
    if (S_ISBLK(found.stx_mode) || S_ISCHR(found.stx_mode))
        number = {S_ISBLK(found.stx_mode), found.stx_rdev_major, found.stx_rdev_minor};
    return 0;
}

} // namespace

SysResult<std::string> RealSysfs::read(const std::string& path, std::size_t limit) const {
    const Descriptor file(root_ + path, O_RDONLY);
    if (file.get() < 0)
        return failed("read", path, errno);
    // sysfs answers a read with all it has, up to a page, so less than asked for is the end: open, read,
    // close. procfs stops at the record that no longer fits its page and has to be asked until there is
    // nothing.
    const bool shortIsEnd = path.starts_with("/sys/");
    std::string content;
    std::array<char, 65536> chunk;
    const std::size_t most = shortIsEnd ? 4096 : chunk.size();
    while (content.size() < limit) {
        const std::size_t wanted = std::min(most, limit - content.size());
        const ssize_t got = ::read(file.get(), chunk.data(), wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("read", path, errno);
        content.append(chunk.data(), static_cast<std::size_t>(got));
        if (got == 0 || (shortIsEnd && static_cast<std::size_t>(got) < wanted))
            break;
    }
    if (content.ends_with('\n'))
        content.pop_back();
    return content;
}

SysResult<void> RealSysfs::write(const std::string& path, std::string_view data) {
    const Descriptor file(root_ + path, O_WRONLY);
    if (file.get() < 0)
        return failed("write", path, errno);
    // Never repeated, not even after EINTR: a store that was interrupted half way may have had its effect.
    const ssize_t written = ::write(file.get(), data.data(), data.size());
    if (written < 0)
        return failed("write", path, errno);
    if (static_cast<std::size_t>(written) != data.size())
        return failed("write", path, EIO);
    return {};
}

SysResult<std::vector<std::string>> RealSysfs::list(const std::string& path) const {
    std::vector<std::string> names;
    if (const auto seen = eachEntry(root_, path,
                                    [&](int, const dirent& entry) {
                                        names.emplace_back(entry.d_name);
                                        return SysResult<void>();
                                    });
        !seen)
        return std::unexpected(seen.error());
    std::ranges::sort(names);
    return names;
}

SysResult<std::vector<std::pair<std::string, std::string>>> RealSysfs::links(const std::string& path) const {
    std::vector<std::pair<std::string, std::string>> found;
    const auto seen = eachEntry(root_, path, [&](int directory, const dirent& entry) -> SysResult<void> {
        std::array<char, PATH_MAX> target;
        const ssize_t length = ::readlinkat(directory, entry.d_name, target.data(), target.size());
        if (length >= 0)
            found.emplace_back(entry.d_name, std::string(target.data(), static_cast<std::size_t>(length)));
        else if (!isNoLink(errno))
            return failed("readlink", path + '/' + entry.d_name, errno);
        return {};
    });
    if (!seen)
        return std::unexpected(seen.error());
    std::ranges::sort(found);
    return found;
}

SysResult<std::vector<std::string>> RealSysfs::folders(const std::string& path) const {
    std::vector<std::string> names;
    const auto seen = eachEntry(root_, path, [&](int directory, const dirent& entry) {
        bool isFolder = entry.d_type == DT_DIR;
        // Not every file system tells the kind of an entry (readdir(3)); sysfs does.
        if (struct stat found{}; entry.d_type == DT_UNKNOWN)
            isFolder = ::fstatat(directory, entry.d_name, &found, AT_SYMLINK_NOFOLLOW) == 0
                           ? S_ISDIR(found.st_mode)
                           : errno != ENOENT;
        if (isFolder)
            names.emplace_back(entry.d_name);
        return SysResult<void>();
    });
    if (!seen)
        return std::unexpected(seen.error());
    std::ranges::sort(names);
    return names;
}

SysResult<std::string> RealSysfs::link(const std::string& path) const {
    std::array<char, PATH_MAX> target;
    const ssize_t length = ::readlink((root_ + path).c_str(), target.data(), target.size());
    if (length < 0)
        return failed("readlink", path, errno);
    return std::string(target.data(), static_cast<std::size_t>(length));
}

SysResult<std::size_t> RealSysfs::countedFolders(const std::string& path) const {
    struct stat found{};
    if (::stat((root_ + path).c_str(), &found) != 0)
        return failed("stat", path, errno);
    if (!S_ISDIR(found.st_mode) || found.st_nlink < 2)
        return failed("count the links of", path, ENOTDIR);
    return static_cast<std::size_t>(found.st_nlink) - 2;
}

SysResult<std::optional<DeviceNumber>> RealSysfs::node(const std::string& path) const {
    std::optional<DeviceNumber> number;
    if (const int code = statNode(AT_FDCWD, (root_ + path).c_str(), number); code != 0)
        return failed("stat", path, code);
    return number;
}

SysResult<std::vector<DeviceNumber>> RealSysfs::nodes(const std::string& path) const {
    std::vector<DeviceNumber> found;
    const auto seen = eachEntry(root_, path, [&](int directory, const dirent& entry) -> SysResult<void> {
        std::optional<DeviceNumber> number;
        const int code = statNode(directory, entry.d_name, number);
        if (code != 0 && !isNoLink(code))
            return failed("stat", path + '/' + entry.d_name, code);
        if (number)
            found.push_back(*number);
        return {};
    });
    if (!seen)
        return std::unexpected(seen.error());
    return found;
}

bool RealSysfs::shareDescriptors(unsigned thread, unsigned other) const {
    return ::syscall(SYS_kcmp, thread, other, KCMP_FILES, 0UL, 0UL) == 0;
}

SysResult<void> RealSysfs::openExclusively(const std::string& path, const DeviceNumber& number) const {
    const auto there = node(path);
    if (!there)
        return std::unexpected(there.error());
    if (*there != number)
        return failed("open", path, ENXIO);
    const Descriptor device(root_ + path, O_RDONLY | O_EXCL | O_NONBLOCK);
    if (device.get() < 0)
        return failed("open", path, errno);
    return {};
}

bool RealSysfs::exists(const std::string& path) const {
    struct stat unused{};
    return ::lstat((root_ + path).c_str(), &unused) == 0;
}

} // namespace vfiobind
