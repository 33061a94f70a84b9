// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/udev_rules.h"

#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind {
namespace {

constexpr std::string_view endLabel = "vfio_bind_end";

std::string match(std::string_view key, std::string_view pattern) {
    return fmt::format("{}==\"{}\"", key, pattern);
}

std::string idMatch(std::string_view attribute, std::uint16_t id) {
    return fmt::format("ATTR{{{}}}==\"0x{:04x}\"", attribute, id);
}

/// `0x0300??`: the mask leaves out whole digits only.
std::string classPattern(const IdPattern& id) {
    std::string pattern = "0x";
    const auto digits = fmt::format("{:04x}", id.classValue.value_or(0));
    const unsigned mask = id.classValue ? id.classMask : 0U;
    for (std::size_t i = 0; i < digits.size(); ++i)
        pattern += (mask >> (12 - 4 * i) & 0xf) != 0 ? digits[i] : '?';
    return pattern + (id.progIf ? fmt::format("{:02x}", *id.progIf) : "??");
}

/// The bridge path as a device path: bus numbers, which change, are any. A `?` can stand for a slash too, but
/// no slash is there in a path of this shape. Below VMD the domain changes on the way, which no pattern of a
/// fixed length can tell: such a device is known by its address once it is there.
std::string devicePathPattern(std::string_view path) {
    const auto parts = split(path, '/');
    std::string pattern = fmt::format("*/pci{}", parts[0]);
    const auto domain = parts[0].substr(0, parts[0].find(':'));
    for (std::size_t i = 1; i < parts.size(); ++i)
        pattern += fmt::format("/{}:??:{}", domain, parts[i]);
    return pattern;
}

std::vector<std::string> selectorMatches(const Selector& selector) {
    std::vector<std::string> keys;
    if (selector.address)
        keys.push_back(match("KERNEL", selector.address->str()));
    if (selector.path)
        keys.push_back(match("DEVPATH", devicePathPattern(*selector.path)));
    if (const auto& id = selector.id) {
        if (id->vendor)
            keys.push_back(idMatch("vendor", *id->vendor));
        if (id->device)
            keys.push_back(idMatch("device", *id->device));
        if (id->classValue || id->progIf)
            keys.push_back(match("ATTR{class}", classPattern(*id)));
    }
    if (const auto& subsystem = selector.subsystem) {
        if (subsystem->vendor)
            keys.push_back(idMatch("subsystem_vendor", *subsystem->vendor));
        if (subsystem->device)
            keys.push_back(idMatch("subsystem_device", *subsystem->device));
    }
    if (selector.serial)
        keys.push_back(match("ENV{VFIO_BIND_SERIAL}", *selector.serial));
    return keys;
}

/// The kernel tells the number since Linux 6.18; before, the helper reads it from where only CAP_SYS_ADMIN
/// can, and leaves it for the others.
constexpr std::string_view readSerial =
    "TEST==\"serial_number\", ENV{VFIO_BIND_SERIAL}=\"$attr{serial_number}\"\n"
    "TEST!=\"serial_number\", IMPORT{program}=\"" VFIO_BIND_SERIAL_PROGRAM " $kernel\"\n";

std::string gotoEnd() {
    return fmt::format("GOTO=\"{}\"\n", endLabel);
}

std::string overrideTo(std::string_view driver) {
    return fmt::format("ATTR{{driver_override}}=\"{}\", {}", driver, gotoEnd());
}

} // namespace

bool udevSafe(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == '.' || c == ':';
    });
}

bool namesSerials(const Policy& policy) {
    const auto named = [](const Selector& selector) { return selector.serial.has_value(); };
    return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
        return std::ranges::any_of(rule.devices, named) ||
               (rule.members && std::ranges::any_of(*rule.members, named));
    });
}

std::string udevRules(const std::vector<OverrideRule>& overrides, bool serials) {
    const auto toldToUdev = [](const OverrideRule& entry) { return !entry.known; };
    if (!serials && std::ranges::none_of(overrides, toldToUdev))
        return {};
    std::string lines;
    for (const auto& entry : overrides) {
        if (!toldToUdev(entry))
            continue;
        if (!entry.rule.empty())
            lines += fmt::format("# rule {}\n", entry.rule);
        for (const auto& key : selectorMatches(entry.selector))
            lines += key + ", ";
        lines += (entry.driver.empty() ? gotoEnd() : overrideTo(entry.driver));
    }
    // A number outlives no device: another may come to its place.
    const auto forget = serials ? fmt::format("ACTION==\"remove\", SUBSYSTEM==\"pci\", RUN+=\"{} $kernel\"\n",
                                              VFIO_BIND_SERIAL_PROGRAM)
                                : std::string{};
    return fmt::format("# Written by vfio-bind from its configuration; changes are lost.\n{4}"
                       "ACTION!=\"add\", {0}SUBSYSTEM!=\"pci\", {0}{3}"
                       "# What has a driver is in use: the guards look before it is taken.\n"
                       "DRIVER==\"?*\", {0}"
                       "# Bridges belong to the host.\n"
                       "ATTR{{class}}==\"0x0600??\", {0}ATTR{{class}}==\"0x06*\", "
                       "TEST==\"secondary_bus_number\", {0}"
                       "# An override that is set already is somebody else's will, or done.\n"
                       "ATTR{{driver_override}}!=\"|(null)\", {0}{1}LABEL=\"{2}\"\n",
                       gotoEnd(), lines, endLabel, serials ? readSerial : std::string_view{}, forget);
}

} // namespace vfiobind
