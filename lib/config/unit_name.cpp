// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/unit_name.h"

#include "pci/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace vfiobind {

namespace {

/// UNIT_NAME_MAX of systemd (src/basic/unit-name.h).
constexpr std::size_t longestName = 255;

constexpr std::array<std::string_view, 5> pausableKinds{".service", ".socket", ".target", ".timer", ".path"};

/// The bus, the device manager and the daemon itself.
constexpr std::array<std::string_view, 6> neededUnits{"dbus.service",
                                                      "dbus.socket",
                                                      "dbus-broker.service",
                                                      "systemd-udevd.service",
                                                      "systemd-journald.service",
                                                      "vfio-bind.service"};

bool isNameCharacter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '-' || c == '_' || c == '.' || c == '\\' || c == '@';
}

} // namespace

std::string refusePausedUnit(std::string_view name) {
    const auto suffix = std::ranges::find_if(pausableKinds, [&](auto kind) { return name.ends_with(kind); });
    if (suffix == pausableKinds.end() || name.size() > longestName ||
        !std::ranges::all_of(name, isNameCharacter))
        return fmt::format("{} is no unit that could be paused: write its whole name, as in "
                           "\"display-manager.service\"; it ends in {}",
                           quote(name), fmt::join(pausableKinds, ", "));
    const auto stem = name.substr(0, name.size() - suffix->size());
    if (stem.empty() || stem.front() == '@')
        return fmt::format("{} lacks its name: write it before {}", quote(name), *suffix);
    if (stem.ends_with('@'))
        return fmt::format("{} is a template: name an instance of it, as in \"{}1{}\"", quote(name), stem,
                           *suffix);
    if (std::ranges::find(neededUnits, name) != neededUnits.end())
        return fmt::format("{} is needed to start the units again: take it out", quote(name));
    return {};
}

} // namespace vfiobind
