// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/sysfs.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace vfiobind {

std::string errnoName(int code) {
    const char* name = code == 0 ? nullptr : strerrorname_np(code);
    return name ? name : fmt::format("errno {}", code);
}

std::string SysError::str() const {
    const char* description = strerrordesc_np(code);
    return fmt::format("{} {}: {} ({})", operation, path, errnoName(code),
                       description ? description : "unknown error");
}

std::string DeviceNumber::str() const {
    return fmt::format("{}:{}", major, minor);
}

std::optional<DeviceNumber> parseDeviceNumber(std::string_view text, bool block) {
    DeviceNumber number{.block = block};
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, number.major);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':')
        return std::nullopt;
    const auto second = std::from_chars(first.ptr + 1, end, number.minor);
    return second.ec == std::errc() && second.ptr == end ? std::optional(number) : std::nullopt;
}

SysResult<std::string> Sysfs::netlinkDump(std::uint16_t /*request*/, std::uint8_t /*family*/) const {
    return std::unexpected(SysError{"dump", "rtnetlink", ENOSYS});
}

bool isNoLink(int code) {
    return code == EINVAL || code == ENOENT || code == ESRCH;
}

SysResult<std::vector<std::pair<std::string, std::string>>> Sysfs::links(const std::string& path) const {
    auto names = list(path);
    if (!names)
        return std::unexpected(names.error());
    std::vector<std::pair<std::string, std::string>> found;
    for (auto& name : *names) {
        auto target = link(path + '/' + name);
        if (target)
            found.emplace_back(std::move(name), std::move(*target));
        else if (!isNoLink(target.error().code))
            return std::unexpected(target.error());
    }
    return found;
}

SysResult<std::vector<std::string>> Sysfs::folders(const std::string& path) const {
    auto names = list(path);
    if (names)
        std::erase_if(*names, [&](const auto& name) {
            if (link(path + '/' + name))
                return true;
            const auto inside = list(path + '/' + name);
            return !inside && (inside.error().code == ENOTDIR || inside.error().code == ENOENT);
        });
    return names;
}

SysResult<std::size_t> Sysfs::countedFolders(const std::string& path) const {
    const auto names = folders(path);
    if (!names)
        return std::unexpected(names.error());
    return names->size();
}

SysResult<std::vector<DeviceNumber>> Sysfs::nodes(const std::string& path) const {
    const auto names = list(path);
    if (!names)
        return std::unexpected(names.error());
    std::vector<DeviceNumber> found;
    for (const auto& name : *names) {
        const auto number = node(path + '/' + name);
        if (!number && !isNoLink(number.error().code))
            return std::unexpected(number.error());
        if (number && *number)
            found.push_back(**number);
    }
    return found;
}

bool Sysfs::shareDescriptors(unsigned /*thread*/, unsigned /*other*/) const {
    return false;
}

std::string_view baseName(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/'))
        path.remove_suffix(1);
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

} // namespace vfiobind
