// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/rule_reader.h"

#include "config/blocker_codes.h"
#include "config/keys.h"
#include "config/selector_reader.h"
#include "config/timespan.h"
#include "config/unit_name.h"
#include "config/words.h"
#include "pci/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vfiobind {

namespace {

constexpr std::string_view ruleTitle = "[[bind]]";

constexpr std::string_view devicesExample = R"(devices = ["10de:1284"])";
constexpr std::string_view membersExample = R"(members = ["10de:0e0f"])";
constexpr std::string_view unitsExample = R"(pause-units = ["display-manager.service"])";
constexpr std::string_view allowExample = R"(allow = ["boot-display"])";
constexpr std::string_view nodeExample = R"(node = { group = "kvm", mode = "0660" })";

/// PCI has 2^16 functions in a domain; more of anything is a slip.
constexpr std::int64_t mostDevices = 65535;

bool isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

/// Letters, digits, `-` and `_`: also what a file name and a udev rule can have without quoting.
bool isWord(std::string_view text, std::size_t longest) {
    return !text.empty() && text.size() <= longest && std::ranges::all_of(text, [](char c) {
        return isLetter(c) || isDigit(c) || c == '-' || c == '_';
    });
}

/// A user's or group's name as useradd(8) takes it, or its number.
bool isAccount(std::string_view text) {
    if (text.empty() || text.size() > 32)
        return false;
    if (std::ranges::all_of(text, isDigit))
        return text.size() <= 9;
    return (isLetter(text[0]) || text[0] == '_') && std::ranges::all_of(text, [](char c) {
               return isLetter(c) || isDigit(c) || c == '-' || c == '_' || c == '.';
           });
}

bool isMode(std::string_view text) {
    return text.size() == 4 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '7'; });
}

std::optional<std::string> readDriver(TomlReader& reader, const toml::table& table) {
    auto driver = reader.string(table, "driver", R"(driver = "vfio-pci")");
    if (!driver)
        return std::nullopt;
    if (isWord(driver->value, 64))
        return driver->value;
    reader.error(driver->where,
                 fmt::format("{} is no driver: write \"auto\" or a driver's name of letters, digits, - "
                             "and _, as in \"vfio-pci\"",
                             quote(driver->value)));
    return std::nullopt;
}

/// Reads a key that is one of two words, `first` where it is the first of `words`.
template <typename T>
std::optional<T> readChoice(TomlReader& reader, const toml::table& table, std::string_view key,
                            const std::array<std::string_view, 2>& words, T first, T second) {
    const auto word = reader.string(table, key, fmt::format("{} = \"{}\"", key, words[0]));
    if (!word)
        return std::nullopt;
    if (word->value == words[0])
        return first;
    if (word->value == words[1])
        return second;
    reader.error(word->where, fmt::format("unknown {} {}: {}", key, quote(word->value),
                                          didYouMeanOrOneOf(word->value, words)));
    return std::nullopt;
}

/// The sentence on a code that `allow` cannot have; empty for one that it can.
std::string refuseCode(std::string_view code) {
    std::vector<std::string_view> all;
    std::vector<std::string_view> allowable;
    for (const auto& known : blockerCodes) {
        all.push_back(known.name);
        if (known.allowable && known.where == AllowedIn::everywhere)
            allowable.push_back(known.name);
    }
    const BlockerCode* known = findBlockerCode(code);
    if (known && known->allowable && known->where == AllowedIn::everywhere)
        return {};
    if (known && known->where == AllowedIn::release)
        return fmt::format("{} can be allowed by a call that releases only: take it out", quote(code));
    if (known && known->where == AllowedIn::calls)
        return fmt::format("{} can be allowed by a call only, as with --allow {}: take it out", quote(code),
                           code);
    if (known)
        return fmt::format(
            "{} cannot be allowed: the kernel would refuse anyway, or the wrong device would be taken; "
            "take it out and remove the cause",
            quote(code));
    auto advice = didYouMean(code, all);
    if (advice.empty())
        advice = fmt::format("the nearest are {}", fmt::join(nearest(code, allowable, 3), ", "));
    else if (!findBlockerCode(nearest(code, all, 1)[0])->allowable)
        advice += " It cannot be allowed, though";
    return fmt::format("unknown blocker code {}: {}", quote(code), advice);
}

std::optional<std::vector<std::string>> readAllow(TomlReader& reader, const toml::table& table) {
    const auto* list = reader.array(table, "allow", allowExample);
    if (!list)
        return std::nullopt;
    std::vector<std::string> codes;
    for (const auto& node : *list) {
        auto code = reader.element(node, "allow", allowExample);
        if (!code)
            continue;
        if (auto error = refuseCode(code->value); !error.empty())
            reader.error(code->where, std::move(error));
        else if (std::ranges::find(codes, code->value) == codes.end())
            codes.push_back(std::move(code->value));
    }
    return codes;
}

std::optional<NodeAccess> readNode(TomlReader& reader, const toml::table& table) {
    const auto* node = reader.table(table, "node", nodeExample);
    if (!node)
        return std::nullopt;
    reader.refuseUnknown(*node, "node", nodeKeys);
    if (node->empty())
        reader.error(*node, fmt::format("node says nothing: write who may open it, as in {}", nodeExample));
    const auto account = [&](std::string_view key, std::string_view example) {
        auto name = reader.string(*node, key, example);
        if (name && !isAccount(name->value))
            reader.error(name->where,
                         fmt::format("{} is no {}: write a name of letters, digits, -, _ and ., or a number",
                                     quote(name->value), key == "owner" ? "user" : "group"));
        return name ? name->value : std::string{};
    };
    NodeAccess access;
    access.owner = account("owner", R"(node = { owner = "libvirt-qemu" })");
    access.group = account("group", R"(node = { group = "kvm" })");
    if (const auto mode = reader.string(*node, "mode", R"(node = { mode = "0660" })")) {
        if (!isMode(mode->value))
            reader.error(mode->where, fmt::format("{} is no mode: write four octal digits, as in \"0660\"",
                                                  quote(mode->value)));
        access.mode = mode->value;
    }
    return access;
}

std::optional<std::chrono::milliseconds> readTimeout(TomlReader& reader, const toml::table& table) {
    const auto text = reader.string(table, "timeout", R"(timeout = "30s")");
    if (!text)
        return std::nullopt;
    const auto span = parseTimespan(text->value);
    if (span)
        return *span;
    reader.error(text->where, span.error());
    return std::nullopt;
}

std::vector<std::string> readPauseUnits(TomlReader& reader, const toml::table& table) {
    std::vector<std::string> units;
    const auto* list = reader.array(table, "pause-units", unitsExample);
    if (!list)
        return units;
    for (const auto& node : *list) {
        auto unit = reader.element(node, "pause-units", unitsExample);
        if (!unit)
            continue;
        if (auto error = refusePausedUnit(unit->value); !error.empty())
            reader.error(unit->where, std::move(error));
        else if (std::ranges::find(units, unit->value) == units.end())
            units.push_back(std::move(unit->value));
    }
    return units;
}

RuleSettings readSettings(TomlReader& reader, const toml::table& table) {
    RuleSettings settings;
    settings.driver = readDriver(reader, table);
    settings.method = readChoice(reader, table, "method", methods, Method::driverOverride, Method::newId);
    settings.allow = readAllow(reader, table);
    settings.node = readNode(reader, table);
    settings.keep = reader.boolean(table, "keep", "keep = true");
    settings.when = readChoice(reader, table, "when", whens, When::always, When::asked);
    settings.giveBack = readChoice(reader, table, "give-back", giveBacks, GiveBack::native, GiveBack::never);
    settings.timeout = readTimeout(reader, table);
    return settings;
}

void readName(TomlReader& reader, const toml::table& table, RuleText& rule) {
    const auto name = reader.string(table, "name", R"(name = "guest-gpu")");
    if (!table.contains("name"))
        reader.error(table, R"([[bind]] has no name: add one, as in name = "guest-gpu")");
    if (!name)
        return;
    rule.nameWhere = name->where;
    // It becomes a file's name, too: NAME_MAX.
    if (isWord(name->value, 255))
        rule.name = name->value;
    else
        reader.error(name->where,
                     fmt::format("{} is no rule name: write up to 255 letters, digits, - and _, as in "
                                 "\"guest-gpu\"",
                                 quote(name->value)));
}

void readDevices(TomlReader& reader, const toml::table& table, RuleText& rule) {
    const auto* list = reader.array(table, "devices", devicesExample);
    if (!table.contains("devices"))
        reader.error(table, fmt::format("[[bind]] has no devices: add them, as in {}", devicesExample));
    if (!list)
        return;
    if (list->empty())
        reader.error(*list, fmt::format("devices is empty: name at least one, as in {}", devicesExample));
    for (const auto& node : *list) {
        if (auto selector = readSelector(reader, node, "devices", devicesExample)) {
            rule.devices.push_back(std::move(*selector));
            rule.deviceWhere.push_back(reader.where(node.source()));
        }
    }
}

/// An empty list is one too: nothing is known of beside `devices`.
void readMembers(TomlReader& reader, const toml::table& table, RuleText& rule) {
    const auto* list = reader.array(table, "members", membersExample);
    if (!list)
        return;
    rule.members.emplace();
    for (const auto& node : *list)
        if (auto selector = readSelector(reader, node, "members", membersExample))
            rule.members->push_back(std::move(*selector));
}

} // namespace

RuleText readRule(TomlReader& reader, const toml::table& table) {
    RuleText rule;
    rule.where = reader.where(table.source());
    reader.refuseUnknown(table, ruleTitle, ruleKeys);
    readName(reader, table, rule);
    readDevices(reader, table, rule);
    readMembers(reader, table, rule);
    rule.count = reader.number(table, "count", "count = 1", 1, mostDevices);
    rule.sriovVfs = reader.number(table, "sriov-vfs", "sriov-vfs = 4", 0, mostDevices).value_or(0);
    rule.pauseUnits = readPauseUnits(reader, table);
    rule.settings = readSettings(reader, table);
    return rule;
}

RuleSettings readDefaults(TomlReader& reader, const toml::table& table) {
    for (const std::string_view own : keysWithoutDefault)
        if (const auto* node = table.get(own))
            reader.error(*node, fmt::format("{} cannot have a default: write it in each [[bind]]", own));
    reader.refuseUnknown(table, "[defaults]", ruleKeys);
    return readSettings(reader, table);
}

} // namespace vfiobind
