// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lease_pipe.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>

namespace vfiobind {
namespace {

/// Returns the number in `pipe:[12345]`, the target of a descriptor's link in /proc.
std::optional<std::uint64_t> inodeInLink(std::string_view target) {
    constexpr std::string_view prefix = "pipe:[";
    if (!target.starts_with(prefix) || !target.ends_with(']'))
        return std::nullopt;
    std::uint64_t number = 0;
    const auto* const end = target.data() + target.size() - 1;
    const auto [stop, error] = std::from_chars(target.data() + prefix.size(), end, number);
    return error == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

/// Opens the pipe anew for reading. The path can lead to another file by now, and opening a device can have
/// effects, so the file is first checked through a descriptor that only names it (O_PATH, open(2)).
Descriptor reopen(const std::string& path, std::uint64_t inode) {
    const Descriptor named(path, O_PATH);
    if (named.get() < 0 || pipeInode(named.get()) != inode)
        return Descriptor(-1);
    return {fmt::format("/proc/self/fd/{}", named.get()), O_RDONLY | O_NONBLOCK};
}

bool isNumber(const std::string& name) {
    return name.find_first_not_of("0123456789") == std::string::npos;
}

void lookAt(const std::filesystem::path& process, const std::set<std::uint64_t>& inodes,
            std::map<std::uint64_t, Descriptor>& found) {
    std::error_code gone; // the process has ended, or does not show its descriptors
    for (const auto& fd : std::filesystem::directory_iterator(process / "fd", gone)) {
        const auto target = std::filesystem::read_symlink(fd.path(), gone);
        const auto inode = inodeInLink(target.native());
        if (!inode || !inodes.contains(*inode) || found.contains(*inode))
            continue;
        if (auto reopened = reopen(fd.path(), *inode); reopened.get() >= 0)
            found.emplace(*inode, std::move(reopened));
    }
}

} // namespace

SysResult<LeasePipe> makeLeasePipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        return std::unexpected(SysError{"make", "a pipe", errno});
    LeasePipe made{.daemons = Descriptor(ends[0]), .callers = Descriptor(ends[1])};
    const auto inode = pipeInode(made.daemons.get());
    if (!inode)
        return std::unexpected(SysError{"fstat", "a pipe", EBADF});
    made.inode = *inode;
    return made;
}

std::optional<std::uint64_t> pipeInode(int fd) {
    struct stat status{};
    if (fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode))
        return std::nullopt;
    return status.st_ino;
}

std::map<std::uint64_t, Descriptor> reopenHeldPipes(const std::set<std::uint64_t>& inodes) {
    std::map<std::uint64_t, Descriptor> found;
    if (inodes.empty())
        return found;
    std::error_code none;
    for (const auto& process : std::filesystem::directory_iterator("/proc", none)) {
        if (isNumber(process.path().filename().native()))
            lookAt(process.path(), inodes, found);
        if (found.size() == inodes.size())
            break;
    }
    return found;
}

} // namespace vfiobind
