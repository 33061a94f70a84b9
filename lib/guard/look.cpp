// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/look.h"

#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {

bool isGone(const SysError& error) {
    return error.code == ENOENT || error.code == ENODEV || error.code == ENXIO || error.code == ESRCH;
}

Blocker cannotTell(std::string code, const Address& device, std::string_view question,
                   const SysError& error) {
    return {std::move(code), device, fmt::format("whether {} cannot be told: {}", question, error.str()),
            false};
}

bool isBelow(std::string_view place, const Address& device) {
    return place.find('/' + device.str() + '/') != std::string_view::npos;
}

SysResult<std::string> readIfThere(const Sysfs& sysfs, const std::string& path, std::size_t limit) {
    auto text = sysfs.read(path, limit);
    if (!text && isGone(text.error()))
        return std::string{};
    return text;
}

SysResult<std::vector<std::string>> listIfThere(const Sysfs& sysfs, const std::string& path) {
    auto names = sysfs.list(path);
    if (!names && isGone(names.error()))
        return std::vector<std::string>{};
    return names;
}

SysResult<std::vector<ClassEntry>> classEntriesBelow(const Sysfs& sysfs, std::string_view classDirectory,
                                                     const Address& device) {
    const auto directory = fmt::format("/sys/class/{}", classDirectory);
    const auto names = listIfThere(sysfs, directory);
    if (!names)
        return std::unexpected(names.error());
    std::vector<ClassEntry> found;
    for (const auto& name : *names) {
        auto place = sysfs.link(fmt::format("{}/{}", directory, name));
        // Files beside the links: /sys/class/drm/version, /sys/class/net/bonding_masters.
        if (!place && (isGone(place.error()) || place.error().code == EINVAL))
            continue;
        if (!place)
            return std::unexpected(place.error());
        if (isBelow(*place, device))
            found.push_back({name, std::move(*place)});
    }
    return found;
}

} // namespace vfiobind
