// SPDX-License-Identifier: LGPL-2.1-or-later
// Parameters of the vfio modules, wherever they are written.
#include "import/found.h"
#include "modprobe_conf.h"
#include "pci/text.h"
#include "rules/module_options.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

constexpr std::uint32_t anyId = 0xffffffff; // PCI_ANY_ID

/// As sscanf's %x takes it: of either case, with or without 0x.
std::optional<std::uint32_t> hexNumber(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X"))
        text.remove_prefix(2);
    return parseHex<std::uint32_t>(text, 1, 8);
}

/// Nothing for any; false if it does not fit.
bool takeId(std::uint32_t value, std::optional<std::uint16_t>& id) {
    if (value == anyId)
        return true;
    id = static_cast<std::uint16_t>(value);
    return value <= 0xffff;
}

/// A selector compares whole digits of the class, and all of the programming interface or nothing.
bool takeClass(std::uint32_t value, std::uint32_t mask, IdPattern& pattern) {
    const auto classMask = static_cast<std::uint16_t>(mask >> 8);
    for (unsigned digit = 0; digit < 16; digit += 4)
        if (const auto part = classMask >> digit & 0xf; part != 0 && part != 0xf)
            return false;
    if (classMask != 0) {
        pattern.classValue = static_cast<std::uint16_t>(value >> 8 & classMask);
        pattern.classMask = classMask;
    }
    const auto interfaceMask = mask & 0xff;
    if (interfaceMask == 0xff)
        pattern.progIf = static_cast<std::uint8_t>(value);
    return value <= 0xffffff && (interfaceMask == 0 || interfaceMask == 0xff);
}

/// What the kernel's parser of boolean parameters takes (lib/kstrtox.c, kstrtobool); no value is true.
std::optional<bool> readBool(const std::string& value) {
    if (value.empty() || std::string_view("yYtT1").contains(value[0]) || value.starts_with("on") ||
        value.starts_with("ON") || value.starts_with("On"))
        return true;
    if (std::string_view("nNfF0").contains(value[0]) || value.starts_with("of") || value.starts_with("OF") ||
        value.starts_with("Of"))
        return false;
    return std::nullopt;
}

bool readIds(const std::string& value, const Place& place, const std::string& name, Found& found) {
    bool good = true;
    for (const auto entry : split(value, ',')) {
        if (entry.empty())
            continue; // as the kernel does
        const auto selector = parseVfioId(entry);
        if (selector)
            found.claims.push_back({.selector = *selector, .place = place, .name = name});
        else
            found.warnings.push_back({place, selector.error()});
        good = good && selector;
    }
    return good;
}

} // namespace

std::expected<Selector, std::string> parseVfioId(std::string_view text) {
    const auto fail = [&](std::string_view why) {
        return std::unexpected(fmt::format("{} is no id for vfio-pci and is left out: {}", quote(text), why));
    };
    const auto fields = split(text, ':');
    std::array<std::uint32_t, 6> numbers{anyId, anyId, anyId, anyId, 0, 0};
    if (fields.size() < 2 || fields.size() > numbers.size())
        return fail("it is written vendor:device, as in 10de:1284");
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto number = hexNumber(fields[i]);
        if (!number)
            return fail(fmt::format("{} is no hexadecimal number", quote(fields[i])));
        numbers[i] = *number;
    }
    Selector selector;
    IdPattern id;
    SubsystemPattern subsystem;
    if (!takeId(numbers[0], id.vendor) || !takeId(numbers[1], id.device) ||
        !takeId(numbers[2], subsystem.vendor) || !takeId(numbers[3], subsystem.device))
        return fail("vendor and device have four digits at most");
    if (!takeClass(numbers[4], numbers[5], id))
        return fail("vfio-bind has no selector with such a mask for the class");
    if (id == IdPattern{} && subsystem == SubsystemPattern{})
        return fail("it names every device of the machine");
    if (id != IdPattern{})
        selector.id = id;
    if (subsystem != SubsystemPattern{})
        selector.subsystem = subsystem;
    return selector;
}

bool readModuleWord(const std::string& module, const std::string& word, const Place& place,
                    const std::string& name, Found& found) {
    const auto equals = word.find('=');
    const auto parameter = word.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    std::erase(value, '"'); // the kernel takes them off, too
    if (underscored(module) == "vfio_pci" && parameter == "ids")
        return readIds(value, place, name, found);
    const auto* option = findModuleOption(module, parameter);
    if (option == nullptr) {
        found.warnings.push_back(
            {place,
             fmt::format("vfio-bind has no key for {} of {}: leave it where it is", quote(word), module)});
        return false;
    }
    const auto wanted = readBool(value);
    if (!wanted) {
        found.warnings.push_back({place, fmt::format("{} of {} is neither yes nor no, as in {}=1",
                                                     quote(word), module, parameter)});
        return false;
    }
    found.options.push_back({option->key, *wanted, place});
    return true;
}

} // namespace vfiobind::ctl
