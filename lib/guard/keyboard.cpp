// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/keyboard.h"

#include "guard/look.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>

namespace vfiobind {
namespace {

/// `capabilities/key` is a bitmap in words of a long, the lowest last (input_print_bitmap).
bool isKeyboard(const std::string& keys) {
    constexpr unsigned long escapeToS = 0xfffffffe; // KEY_ESC (1) to KEY_S (31)
    const auto last = keys.rfind(' ');
    const auto word = std::strtoul(keys.c_str() + (last == std::string::npos ? 0 : last + 1), nullptr, 16);
    return (word & escapeToS) == escapeToS;
}

struct Keyboard {
    std::string name; ///< "Logitech USB Keyboard"
    std::string place;
};

/// Those of hardware; none where no input device at all hangs on the devices.
SysResult<std::vector<Keyboard>> keyboards(const Sysfs& sysfs, const std::vector<Address>& devices) {
    std::vector<Keyboard> found;
    const auto inputs = sysfs.links("/sys/class/input");
    if (!inputs && isGone(inputs.error()))
        return found;
    if (!inputs)
        return std::unexpected(inputs.error());
    if (std::ranges::none_of(*inputs, [&](const auto& input) {
            return std::ranges::any_of(devices, [&](const Address& a) { return isBelow(input.second, a); });
        }))
        return found;
    for (const auto& [name, place] : *inputs) {
        // event0 and the like are the same devices once more
        if (!name.starts_with("input") || place.contains("/devices/virtual/"))
            continue;
        const auto keys = readIfThere(sysfs, fmt::format("/sys/class/input/{}/capabilities/key", name), 4096);
        if (!keys)
            return std::unexpected(keys.error());
        if (!isKeyboard(*keys))
            continue;
        const auto shown = sysfs.read(fmt::format("/sys/class/input/{}/name", name), 256);
        found.push_back({shown.value_or(name), place});
    }
    return found;
}

} // namespace

Blockers keyboardBlockers(const Sysfs& sysfs, const std::vector<Address>& devices) {
    const auto all = keyboards(sysfs, devices);
    if (!all && !devices.empty())
        return {cannotTell("last-keyboard", devices.front(), "the last keyboard hangs on the group",
                           all.error())};
    if (!all || all->empty())
        return {};
    std::vector<Address> carriers;
    for (const auto& keyboard : *all) {
        const auto on =
            std::ranges::find_if(devices, [&](const Address& a) { return isBelow(keyboard.place, a); });
        if (on == devices.end())
            return {};
        carriers.push_back(*on);
    }
    return {{"last-keyboard", carriers.front(),
             fmt::format("the machine's last keyboard ({}) hangs on {}; plug another one in elsewhere first",
                         all->front().name, carriers.front().str())}};
}

} // namespace vfiobind
