// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/trusted_files.h"

#include "pci/text.h"
#include "sysfs/descriptor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <memory>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace vfiobind::ctl {
namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { closedir(directory); }
};

constexpr const char* notBelieved = "believe";
constexpr const char* notRegular = "open as a file";
constexpr const char* tooLong = "read whole";

std::unexpected<SysError> failed(const char* operation, const std::string& path, int code) {
    return std::unexpected(SysError{operation, path, code});
}

/// Opens below the root, whose links may lead nowhere else. With an empty root there is nothing to keep to.
Descriptor openBelow(const std::string& root, const std::string& path, int flags) {
    if (root.empty())
        return Descriptor(path, flags);
    const Descriptor top(root, O_PATH | O_DIRECTORY);
    if (top.get() < 0)
        return Descriptor(-1);
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT;
    return Descriptor(static_cast<int>(syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof how)));
}

bool isKernels(int file) {
    struct statfs where{};
    return fstatfs(file, &where) == 0 && (where.f_type == PROC_SUPER_MAGIC || where.f_type == SYSFS_MAGIC);
}

/// oneadmin of the root's own passwd(5).
std::optional<uid_t> oneadminOf(const std::string& passwd) {
    constexpr std::size_t uidField = 2;
    for (const auto line : split(passwd, '\n')) {
        const auto fields = split(line, ':');
        uid_t uid = 0;
        if (fields.size() > uidField && fields[0] == "oneadmin" &&
            std::from_chars(fields[uidField].data(), fields[uidField].data() + fields[uidField].size(), uid)
                    .ec == std::errc{})
            return uid;
    }
    return std::nullopt;
}

SysResult<std::string> readAll(int file, const std::string& path, std::size_t limit) {
    std::string content;
    std::array<char, 65536> chunk;
    while (content.size() < limit) {
        const auto got = ::read(file, chunk.data(), std::min(chunk.size(), limit - content.size()));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed("read", path, errno);
        if (got == 0)
            break;
        content.append(chunk.data(), static_cast<std::size_t>(got));
    }
    if (content.ends_with('\n'))
        content.pop_back();
    return content;
}

std::string folderOf(const std::string& path) {
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

SysResult<std::vector<std::string>> entries(const std::string& root, const std::string& path,
                                            bool foldersOnly) {
    const auto folder = openBelow(root, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    const int own = folder.get() < 0 ? -1 : fcntl(folder.get(), F_DUPFD_CLOEXEC, 0);
    const std::unique_ptr<DIR, CloseDirectory> directory(own < 0 ? nullptr : fdopendir(own));
    if (!directory)
        return failed("list", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        struct stat found{};
        const bool wanted = !foldersOnly || (fstatat(dirfd(directory.get()), entry->d_name, &found,
                                                     AT_SYMLINK_NOFOLLOW) == 0 &&
                                             S_ISDIR(found.st_mode));
        if (wanted && name != "." && name != "..")
            names.emplace_back(name);
        errno = 0;
    }
    if (errno != 0)
        return failed("list", path, errno);
    std::ranges::sort(names);
    return names;
}

} // namespace

TrustedFiles::TrustedFiles(std::string root) : root_(std::move(root)), owners_{0, geteuid()} {
    constexpr std::size_t longest = 1 << 20;
    if (const auto passwd = read("/etc/passwd", longest))
        if (const auto oneadmin = oneadminOf(*passwd))
            owners_.insert(*oneadmin);
}

bool TrustedFiles::believed(uid_t owner, mode_t mode) const {
    return owners_.contains(owner) && (mode & S_IWOTH) == 0;
}

SysResult<std::string> TrustedFiles::read(const std::string& path, std::size_t limit) const {
    // O_PATH opens nothing: what it is can be told first.
    const auto place = openBelow(root_, path, O_PATH);
    struct stat found{};
    if (place.get() < 0 || fstat(place.get(), &found) != 0)
        return failed("read", path, errno);
    if (!S_ISREG(found.st_mode))
        return failed(notRegular, path, S_ISDIR(found.st_mode) ? EISDIR : ENOTSUP);
    const bool kernels = isKernels(place.get());
    const auto folder = openBelow(root_, folderOf(path), O_PATH | O_DIRECTORY);
    struct stat around{};
    if (folder.get() < 0 || fstat(folder.get(), &around) != 0)
        return failed("read", folderOf(path), errno);
    if (!kernels && (!believed(found.st_uid, found.st_mode) || !believed(around.st_uid, around.st_mode)))
        return failed(notBelieved, path, EPERM);
    if (!kernels && found.st_size > static_cast<off_t>(limit))
        return failed(tooLong, path, EFBIG);
    const Descriptor file(fmt::format("/proc/self/fd/{}", place.get()), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (file.get() < 0)
        return failed("read", path, errno);
    return readAll(file.get(), path, limit);
}

SysResult<void> TrustedFiles::write(const std::string& path, std::string_view) {
    return failed("write", path, EROFS);
}

SysResult<std::vector<std::string>> TrustedFiles::list(const std::string& path) const {
    return entries(root_, path, false);
}

SysResult<std::vector<std::string>> TrustedFiles::folders(const std::string& path) const {
    return entries(root_, path, true);
}

SysResult<std::string> TrustedFiles::link(const std::string& path) const {
    const auto place = openBelow(root_, path, O_PATH | O_NOFOLLOW);
    std::array<char, PATH_MAX> target;
    const auto length = place.get() < 0 ? -1 : readlinkat(place.get(), "", target.data(), target.size());
    // Of what is no link readlinkat(2) with an empty path says ENOENT.
    if (length < 0)
        return failed("readlink", path, place.get() >= 0 && errno == ENOENT ? EINVAL : errno);
    return std::string(target.data(), static_cast<std::size_t>(length));
}

SysResult<std::optional<DeviceNumber>> TrustedFiles::node(const std::string& path) const {
    const auto place = openBelow(root_, path, O_PATH);
    struct stat found{};
    if (place.get() < 0 || fstat(place.get(), &found) != 0)
        return failed("stat", path, errno);
    if (!S_ISBLK(found.st_mode) && !S_ISCHR(found.st_mode))
        return std::nullopt;
    return DeviceNumber{
        .block = S_ISBLK(found.st_mode), .major = major(found.st_rdev), .minor = minor(found.st_rdev)};
}

SysResult<void> TrustedFiles::openExclusively(const std::string& path, const DeviceNumber&) const {
    return failed("open", path, EPERM);
}

bool TrustedFiles::exists(const std::string& path) const {
    return openBelow(root_, path, O_PATH | O_NOFOLLOW).get() >= 0;
}

std::optional<std::string> whyNotOpened(const SysError& error) {
    if (error.operation == notBelieved)
        return "is ignored: it or its folder belongs neither to root nor to oneadmin, or everybody may "
               "write "
               "to it";
    if (error.operation == notRegular)
        return error.code == EISDIR ? "is a folder where a file was looked for; it was passed over"
                                    : "is no regular file; it was not opened";
    if (error.operation == tooLong)
        return "is too long for what it should be; it was not read";
    return std::nullopt;
}

} // namespace vfiobind::ctl
