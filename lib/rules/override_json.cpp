// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/override_rules.h"

#include "pci/serial.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace vfiobind {
namespace {

using nlohmann::json;

json selectorJson(const Selector& selector) {
    auto entry = json::object();
    if (selector.address)
        entry["address"] = selector.address->str();
    if (selector.id)
        entry["id"] = selector.id->str();
    if (selector.subsystem)
        entry["subsystem"] = selector.subsystem->str();
    if (selector.path)
        entry["path"] = *selector.path;
    if (selector.serial)
        entry["serial"] = *selector.serial;
    return entry;
}

json toJson(const OverrideRule& rule) {
    auto entry = selectorJson(rule.selector);
    entry["rule"] = rule.rule;
    entry["driver"] = rule.driver;
    entry["group-driver"] = rule.groupDriver;
    if (rule.known) {
        auto& known = entry["known"] = json::array();
        for (const auto& selector : *rule.known)
            known.push_back(selectorJson(selector));
    }
    return entry;
}

template <typename T>
T valueOf(std::expected<T, std::string> parsed) {
    if (!parsed)
        throw std::invalid_argument(parsed.error());
    return std::move(*parsed);
}

Selector selectorFrom(const json& entry) {
    Selector selector;
    const auto text = [&entry](const char* key) { return entry.at(key).get<std::string>(); };
    if (entry.contains("address"))
        selector.address = valueOf(Address::parse(text("address")));
    if (entry.contains("id"))
        selector.id = valueOf(IdPattern::parse(text("id")));
    if (entry.contains("subsystem"))
        selector.subsystem = valueOf(SubsystemPattern::parse(text("subsystem")));
    if (entry.contains("path"))
        selector.path = valueOf(parseBridgePath(text("path")));
    if (entry.contains("serial"))
        selector.serial = valueOf(parseSerial(text("serial")));
    if (selector == Selector{})
        throw std::invalid_argument("a rule that names no device");
    return selector;
}

OverrideRule ruleFrom(const json& entry) {
    OverrideRule rule{.rule = entry.at("rule").get<std::string>(),
                      .selector = selectorFrom(entry),
                      .driver = entry.at("driver").get<std::string>(),
                      .groupDriver = entry.at("group-driver").get<std::string>()};
    if (entry.contains("known")) {
        rule.known.emplace();
        for (const auto& selector : entry.at("known"))
            rule.known->push_back(selectorFrom(selector));
    }
    return rule;
}

} // namespace

std::string overridesToJson(const std::vector<OverrideRule>& rules) {
    if (rules.empty())
        return {};
    auto list = json::array();
    for (const auto& rule : rules)
        list.push_back(toJson(rule));
    return list.dump(1, ' ', false, json::error_handler_t::replace) + '\n';
}

std::expected<std::vector<OverrideRule>, std::string> overridesFromJson(std::string_view text) {
    try {
        std::vector<OverrideRule> rules;
        for (const auto& entry : json::parse(text))
            rules.push_back(ruleFrom(entry));
        return rules;
    } catch (const std::exception& error) {
        return std::unexpected(fmt::format("it cannot be read: {}", error.what()));
    }
}

} // namespace vfiobind
