// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/write_file.h"

#include "sysfs/descriptor.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind {
namespace {

std::unexpected<SysError> fileFailure(const char* operation, const std::string& path) {
    return std::unexpected(SysError{operation, path, errno});
}

std::string directoryOf(const std::string& path) {
    return path.substr(0, path.rfind('/'));
}

SysResult<void> syncDirectoryOf(const std::string& path) {
    const auto directory = directoryOf(path);
    const Descriptor opened(directory, O_RDONLY | O_DIRECTORY);
    if (opened.get() < 0)
        return fileFailure("open", directory);
    if (fsync(opened.get()) != 0)
        return fileFailure("fsync", directory);
    return {};
}

/// Writes all of it to a new file. Where that fails no file is left.
SysResult<void> writeBeside(const std::string& path, std::string_view content, unsigned mode, bool sync) {
    const auto create = [&] {
        return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    };
    int fd = create();
    if (fd < 0 && errno == ENOENT) {
        const auto directory = directoryOf(path);
        if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
            return fileFailure("mkdir", directory);
        fd = create();
    }
    if (fd < 0)
        return fileFailure("create", path);
    const auto giveUp = [&](const char* step, int code) {
        close(fd);
        unlink(path.c_str());
        return std::unexpected(SysError{step, path, code});
    };
    const auto written = write(fd, content.data(), content.size());
    if (written != static_cast<ssize_t>(content.size()))
        return giveUp("write", written >= 0 ? ENOSPC : errno);
    if (sync && fsync(fd) != 0)
        return giveUp("fsync", errno);
    if (close(fd) != 0) {
        auto error = fileFailure("close", path);
        unlink(path.c_str());
        return error;
    }
    return {};
}

SysResult<void> replaceFile(const std::string& path, const std::string& beside, std::string_view content,
                            unsigned mode, bool sync) {
    if (auto written = writeBeside(beside, content, mode, sync); !written)
        return written;
    if (rename(beside.c_str(), path.c_str()) != 0) {
        auto error = fileFailure("rename", beside);
        unlink(beside.c_str());
        return error;
    }
    return {};
}

} // namespace

SysResult<void> writeFileAtomically(const std::string& path, std::string_view content, unsigned mode) {
    return writeFileAtomically(path, content, mode, path + ".new");
}

SysResult<void> writeFileAtomically(const std::string& path, std::string_view content, unsigned mode,
                                    const std::string& beside) {
    return replaceFile(path, beside, content, mode, false);
}

SysResult<void> writeFileDurably(const std::string& path, std::string_view content, unsigned mode) {
    if (auto written = replaceFile(path, path + ".new", content, mode, true); !written)
        return written;
    return syncDirectoryOf(path);
}

SysResult<void> removeFileDurably(const std::string& path) {
    if (unlink(path.c_str()) == 0)
        return syncDirectoryOf(path);
    if (errno == ENOENT)
        return {};
    return fileFailure("unlink", path);
}

} // namespace vfiobind
