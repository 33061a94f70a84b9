// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/module_word.h"

#include "pci/text.h"
#include "rules/module_options.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <optional>

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

/// What was understood of a line's parameters.
struct Reading {
    bool whole = true;
    std::vector<IdList> lists;
};

void readIds(const std::string& module, const std::string& value, const ParameterPlace& where,
             Reading& reading, Found& found) {
    IdList list{.module = module, .from = where.from, .place = where.place, .claims = {}, .removable = {}};
    for (const auto part : split(value, ',')) {
        const auto begin = std::min(part.find_first_not_of(" \t\n\v\f\r"), part.size());
        const auto entry = part.substr(begin); // as sscanf passes blanks over
        if (entry.empty())
            continue; // as the kernel does
        const auto selector = parseVfioId(trimmed(entry));
        if (selector)
            list.claims.push_back({.selector = *selector,
                                   .driver = module == "pci_stub" ? "pci-stub" : "auto",
                                   .place = where.place,
                                   .name = where.rule});
        else
            found.warnings.push_back({where.place, selector.error()});
        reading.whole = reading.whole && selector;
    }
    reading.lists.push_back(std::move(list));
}

/// A word without `=` behind an `ids=` that a blank has ended.
bool isLostId(const KernelWord& word) {
    return !word.value && word.name.contains(':');
}

void readOption(const std::string& module, const KernelWord& word, const ParameterPlace& where,
                Reading& reading, Found& found) {
    const auto* option = findModuleOption(module, underscored(word.name));
    const auto wanted = option == nullptr ? std::nullopt : readBool(word.value.value_or(""));
    reading.whole = reading.whole && wanted;
    if (wanted)
        found.options.push_back({option->key, *wanted, where.place});
    else if (option != nullptr)
        found.warnings.push_back({where.place, fmt::format("{} of {} is neither yes nor no, as in {}=1",
                                                           quote(word.text), module, word.name)});
    else if (isLostId(word))
        found.warnings.push_back(
            {where.place, fmt::format("a blank ends the list ids=, so the kernel never took {}: "
                                      "name it in the rule if it is meant",
                                      quote(word.text))});
    else if (module == "vfio_pci" && word.name == "id")
        found.warnings.push_back(
            {where.place,
             fmt::format("vfio-pci has no parameter id, ids={} was meant: nothing was given to VFIO "
                         "by it",
                         word.value.value_or(""))});
    else
        found.warnings.push_back(
            {where.place, fmt::format("vfio-bind has no key for {} of {}: leave it where it is",
                                      quote(word.text), module)});
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

bool hasParameters(std::string_view module) {
    return isVfioModule(module) || underscored(std::string(module)) == "pci_stub";
}

void readParameters(const std::string& module, const std::vector<KernelWord>& words,
                    const ParameterPlace& where, const Removable& removable, Found& found) {
    const auto name = underscored(module);
    Reading reading;
    bool comment = false; // modprobe knows none here, but the kernel passes over what it has no parameter for
    for (const auto& word : words) {
        comment = comment || word.name.starts_with('#');
        if ((name == "vfio_pci" || name == "pci_stub") && word.name == "ids")
            readIds(name, word.value.value_or(""), where, reading, found);
        else if (!comment)
            readOption(name, word, where, reading, found);
    }
    if (reading.whole && reading.lists.empty())
        found.removable.push_back(removable);
    else if (reading.whole)
        reading.lists.back().removable.push_back(removable);
    std::ranges::move(reading.lists, std::back_inserter(found.idLists));
}

bool isMisspeltIds(std::string_view name) {
    std::string letters(name);
    std::erase_if(letters, [](char c) { return c == '-' || c == '_' || c == '.'; });
    return (letters == "vfiopciids" || letters == "vfiopciid" || letters == "vfioids") &&
           underscored(std::string(name)) != "vfio_pci.ids";
}

} // namespace vfiobind::ctl
