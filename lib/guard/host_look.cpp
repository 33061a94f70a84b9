// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/host_look.h"

#include <cctype>
#include <cerrno>
#include <string_view>

namespace vfiobind {
namespace {

/// `/proc/swaps`, and not `/proc/812/fd`, `/proc/driver/nvidia/gpus/...`; `/sys/class/net`, and not
/// `/sys/class/net/eth0`, but for the consoles; what file systems have below /sys/fs; what is exported.
bool isOfHost(std::string_view path) {
    constexpr std::string_view proc = "/proc/";
    constexpr std::string_view classes = "/sys/class/";
    if (path.starts_with(proc)) {
        const auto rest = path.substr(proc.size());
        const bool process = rest.empty() || std::isdigit(static_cast<unsigned char>(rest.front())) != 0 ||
                             rest.starts_with("self");
        return !process && !rest.starts_with("driver/");
    }
    if (path.starts_with(classes))
        return !path.substr(classes.size()).contains('/') || path.starts_with("/sys/class/vtconsole/");
    return path == "/sys/dev/char" || path == "/sys/dev/block" || path.starts_with("/sys/fs/") ||
           path == "/sys/bus/mdev/devices" || path.starts_with("/sys/kernel/config/");
}

/// The answer that is known, or else is got now.
template <typename Map, typename Ask>
auto once(Map& known, const typename Map::key_type& key, Ask ask) {
    const auto found = known.find(key);
    return found != known.end() ? found->second : known.emplace(key, ask()).first->second;
}

} // namespace

SysResult<std::string> HostFiles::read(const std::string& path, std::size_t limit) const {
    if (!isOfHost(path))
        return sysfs_.read(path, limit);
    return once(read_, {path, limit}, [&] { return sysfs_.read(path, limit); });
}

SysResult<void> HostFiles::write(const std::string& path, std::string_view) {
    return std::unexpected(SysError{"write", path, EROFS});
}

SysResult<std::vector<std::string>> HostFiles::list(const std::string& path) const {
    if (!isOfHost(path))
        return sysfs_.list(path);
    return once(listed_, path, [&] { return sysfs_.list(path); });
}

SysResult<std::vector<std::pair<std::string, std::string>>> HostFiles::links(const std::string& path) const {
    if (!isOfHost(path))
        return sysfs_.links(path);
    return once(linked_, path, [&] { return sysfs_.links(path); });
}

SysResult<std::string> HostFiles::netlinkDump(std::uint16_t request, std::uint8_t family) const {
    return once(dumped_, {request, family}, [&] { return sysfs_.netlinkDump(request, family); });
}

void HostFiles::again() {
    for (auto& [key, answer] : read_)
        answer = sysfs_.read(key.first, key.second);
    for (auto& [path, answer] : listed_)
        answer = sysfs_.list(path);
    for (auto& [path, answer] : linked_)
        answer = sysfs_.links(path);
    for (auto& [key, answer] : dumped_)
        answer = sysfs_.netlinkDump(key.first, key.second);
}

void HostLook::again() {
    files_.again();
    programs_.again();
}

} // namespace vfiobind
