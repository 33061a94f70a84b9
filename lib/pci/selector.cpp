// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/selector.h"

#include "pci/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace vfiobind {

namespace {

bool isAny(std::string_view field) {
    return field.empty() || field == "*";
}

/// Reads the four digits of a vendor or a device into the value; any leaves it unset.
std::optional<std::string> readId(std::string_view what, std::string_view field,
                                  std::optional<std::uint16_t>& value) {
    if (isAny(field))
        return std::nullopt;
    value = parseHex<std::uint16_t>(field, 4, 4);
    if (value)
        return std::nullopt;
    if (field.starts_with("0x") || field.starts_with("0X"))
        return fmt::format("write the {} {} without 0x", what, quote(field));
    // lspci takes shorter ones for numbers with zeros before; here it is a slip that would wait for ever.
    return fmt::format("the {} is four hexadecimal digits, or empty or * for any, not {}", what,
                       quote(field));
}

/// lspci(8) lets `x` stand for any digit of a class. Two digits, which lspci pads with zeros on the left to a
/// class that no device has, are the base class.
std::optional<std::string> readClass(std::string_view field, IdPattern& pattern) {
    if (isAny(field))
        return std::nullopt;
    if (const auto base = parseHex<std::uint8_t>(field, 2, 2)) {
        pattern.classValue = static_cast<std::uint16_t>(*base << 8);
        pattern.classMask = 0xff00;
        return std::nullopt;
    }
    std::string digits{field};
    std::uint16_t mask = 0;
    for (char& c : digits) {
        const bool any = c == 'x' || c == 'X';
        mask = static_cast<std::uint16_t>(mask << 4 | (any ? 0x0 : 0xf));
        if (any)
            c = '0';
    }
    const auto value = parseHex<std::uint16_t>(digits, 4, 4);
    if (!value)
        return fmt::format(
            "the class is four hexadecimal digits (x for any digit), or two for the base class, "
            "as in 0300 or 03, not {}",
            quote(field));
    if (mask != 0) {
        pattern.classValue = value;
        pattern.classMask = mask;
    }
    return std::nullopt;
}

std::optional<std::string> readProgIf(std::string_view field, IdPattern& pattern) {
    if (isAny(field))
        return std::nullopt;
    pattern.progIf = parseHex<std::uint8_t>(field, 2, 2);
    if (pattern.progIf)
        return std::nullopt;
    return fmt::format("the programming interface is two hexadecimal digits, as in 02, not {}", quote(field));
}

std::string idStr(const std::optional<std::uint16_t>& id) {
    return id ? fmt::format("{:04x}", *id) : std::string{};
}

std::string classStr(const IdPattern& pattern) {
    if (!pattern.classValue)
        return {};
    std::string out = fmt::format("{:04x}", *pattern.classValue);
    for (std::size_t i = 0; i < out.size(); ++i)
        if ((pattern.classMask >> (12 - 4 * i) & 0xf) == 0)
            out[i] = 'x';
    return out;
}

std::unexpected<std::string> noPath(std::string_view text, std::string_view why) {
    return std::unexpected(fmt::format("{} is no bridge path: {}", quote(text), why));
}

/// Whether whatever has the value of `narrow` has that of `wide`, too.
template <typename T>
bool coversValue(const std::optional<T>& wide, const std::optional<T>& narrow) {
    return !wide || wide == narrow;
}

bool coversClass(const IdPattern& wide, const IdPattern& narrow) {
    return !wide.classValue || (narrow.classValue && (wide.classMask & ~narrow.classMask) == 0 &&
                                ((*wide.classValue ^ *narrow.classValue) & wide.classMask) == 0);
}

bool covers(const IdPattern& wide, const IdPattern& narrow) {
    return coversValue(wide.vendor, narrow.vendor) && coversValue(wide.device, narrow.device) &&
           coversClass(wide, narrow) && coversValue(wide.progIf, narrow.progIf);
}

bool covers(const SubsystemPattern& wide, const SubsystemPattern& narrow) {
    return coversValue(wide.vendor, narrow.vendor) && coversValue(wide.device, narrow.device);
}

} // namespace

bool IdPattern::matches(const Ids& ids) const {
    return (!vendor || *vendor == ids.vendor) && (!device || *device == ids.device) &&
           (!classValue || ((*classValue ^ ids.classId()) & classMask) == 0) &&
           (!progIf || *progIf == (ids.classCode & 0xff));
}

std::string IdPattern::str() const {
    std::string out = idStr(vendor) + ":" + idStr(device);
    if (classValue || progIf)
        out += ":" + classStr(*this);
    if (progIf)
        out += fmt::format(":{:02x}", *progIf);
    return out;
}

std::expected<IdPattern, std::string> IdPattern::parse(std::string_view text) {
    const auto fail = [&](std::string_view why) {
        return std::unexpected(fmt::format("{} is no id pattern: {}", quote(text), why));
    };
    const auto fields = split(text, ':');
    if (fields.size() < 2 || fields.size() > 4)
        return fail("write vendor:device[:class[:prog-if]], as in 10de:1284, 10de: or ::0300");
    IdPattern pattern;
    auto error = readId("vendor", fields[0], pattern.vendor);
    if (!error)
        error = readId("device", fields[1], pattern.device);
    if (!error && fields.size() > 2)
        error = readClass(fields[2], pattern);
    if (!error && fields.size() > 3)
        error = readProgIf(fields[3], pattern);
    if (error)
        return fail(*error);
    if (pattern == IdPattern{})
        return fail(
            "it names every device of the machine; give at least a vendor, device or class, as in 10de:");
    return pattern;
}

bool SubsystemPattern::matches(const Ids& ids) const {
    return (!vendor || *vendor == ids.subsystemVendor) && (!device || *device == ids.subsystemDevice);
}

std::string SubsystemPattern::str() const {
    return idStr(vendor) + ":" + idStr(device);
}

std::expected<SubsystemPattern, std::string> SubsystemPattern::parse(std::string_view text) {
    const auto fail = [&](std::string_view why) {
        return std::unexpected(fmt::format("{} is no subsystem: {}", quote(text), why));
    };
    const auto fields = split(text, ':');
    if (fields.size() != 2)
        return fail("write vendor:device, as in 8086:00a2, or 8086: for any of that vendor");
    SubsystemPattern pattern;
    auto error = readId("subsystem vendor", fields[0], pattern.vendor);
    if (!error)
        error = readId("subsystem device", fields[1], pattern.device);
    if (error)
        return fail(*error);
    if (pattern == SubsystemPattern{})
        return fail("it names every subsystem; give a vendor or a device, or leave the key out");
    return pattern;
}

Match Selector::match(const DeviceFacts& facts) const {
    const bool placed = address || path;
    if (!placed && !id && !subsystem && !serial)
        return Match::no;
    if ((address && *address != facts.address) || (path && *path != facts.path))
        return Match::no;
    const bool sameKind = (!id || id->matches(facts.ids)) && (!subsystem || subsystem->matches(facts.ids));
    if (sameKind && (!serial || *serial == facts.serial))
        return Match::yes;
    if (sameKind && facts.serial.empty()) // it may be the one: its number is not known yet
        return Match::no;
    return placed ? Match::otherCard : Match::no;
}

bool Selector::covers(const Selector& narrow) const {
    return coversValue(address, narrow.address) && coversValue(path, narrow.path) &&
           coversValue(serial, narrow.serial) && (!id || (narrow.id && vfiobind::covers(*id, *narrow.id))) &&
           (!subsystem || (narrow.subsystem && vfiobind::covers(*subsystem, *narrow.subsystem)));
}

std::string Selector::str() const {
    std::vector<std::string> keys;
    if (address)
        keys.push_back(fmt::format("address = \"{}\"", address->str()));
    if (id)
        keys.push_back(fmt::format("id = \"{}\"", id->str()));
    if (subsystem)
        keys.push_back(fmt::format("subsystem = \"{}\"", subsystem->str()));
    if (path)
        keys.push_back(fmt::format("path = \"{}\"", *path));
    if (serial)
        keys.push_back(fmt::format("serial = \"{}\"", *serial));
    if (keys.size() == 1 && address)
        return address->str();
    if (keys.size() == 1 && id)
        return id->str();
    if (keys.size() == 1 && path)
        return "path:" + *path;
    return fmt::format("{{ {} }}", fmt::join(keys, ", "));
}

std::expected<Selector, std::string> Selector::parse(std::string_view text) {
    constexpr std::string_view pathPrefix = "path:";
    const auto wrap = [](auto member, auto parsed) -> std::expected<Selector, std::string> {
        if (!parsed)
            return std::unexpected(parsed.error());
        Selector selector;
        selector.*member = std::move(*parsed);
        return selector;
    };
    if (text.starts_with(pathPrefix))
        return wrap(&Selector::path, parseBridgePath(text.substr(pathPrefix.size())));
    // No id has a dot, and no address lacks one.
    if (text.find('.') != std::string_view::npos)
        return wrap(&Selector::address, Address::parse(text));
    if (const auto address = Address::parse(std::string{text} + ".0"); address)
        return std::unexpected(
            fmt::format("{} lacks the function: an address is written {}", quote(text), address->str()));
    if (text.find(':') != std::string_view::npos)
        return wrap(&Selector::id, IdPattern::parse(text));
    return std::unexpected(
        fmt::format("{} is no selector: write an address (0000:01:00.0), an id (10de:1284, 10de:, "
                    "::0300) or a bridge path (path:0000:00/01.0/00.0)",
                    quote(text)));
}

std::expected<std::string, std::string> parseBridgePath(std::string_view text) {
    const auto parts = split(text, '/');
    const auto root = split(parts[0], ':');
    const auto domain = parseHex<std::uint32_t>(root[0], 1, 8);
    const auto bus = root.size() == 2 ? parseHex<std::uint8_t>(root[1], 1, 2) : std::nullopt;
    if (!domain || !bus)
        return noPath(text, "it begins with domain and root bus, as in 0000:00/01.0/00.0");
    if (parts.size() < 2)
        return noPath(text, "after the root bus come device.function of each bridge and of the device, "
                            "as in 0000:00/01.0/00.0");
    std::string path = fmt::format("{:04x}:{:02x}", *domain, *bus);
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto step = split(parts[i], '.');
        const unsigned device = parseHex<std::uint8_t>(step[0], 1, 2).value_or(0xff);
        const unsigned function =
            step.size() == 2 ? parseHex<std::uint8_t>(step[1], 1, 1).value_or(0xff) : 0xff;
        if (device > 0x1f || function > 7)
            return noPath(text, fmt::format("{} is no device.function from 00.0 to 1f.7", quote(parts[i])));
        path += fmt::format("/{:02x}.{:d}", device, function);
    }
    return path;
}

} // namespace vfiobind
