// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/cdi.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace vfiobind {
namespace {

bool isAsciiLetter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool isAlphanumeric(char c) {
    return isAsciiLetter(c) || (c >= '0' && c <= '9');
}

bool isOneOf(char c, std::string_view others) {
    return isAlphanumeric(c) || others.contains(c);
}

constexpr std::string_view signsOfNames = "_.:-";

std::string madeToFit(std::string_view name) {
    std::string result = "rule-";
    std::ranges::copy_if(name, std::back_inserter(result), [](char c) { return isOneOf(c, signsOfNames); });
    while (!isAlphanumeric(result.back()))
        result.pop_back();
    return result;
}

nlohmann::ordered_json edits(const std::vector<std::string>& paths) {
    auto nodes = nlohmann::ordered_json::array();
    for (const auto& path : paths)
        nodes.push_back({{"path", path}});
    return {{"deviceNodes", nodes}};
}

} // namespace

bool isCdiName(std::string_view name) {
    return !name.empty() && isAlphanumeric(name.front()) && isAlphanumeric(name.back()) &&
           std::ranges::all_of(name, [](char c) { return isOneOf(c, signsOfNames); });
}

std::map<unsigned, std::string> cdiNames(const std::vector<RuleGroup>& groups) {
    auto names = groupNames(groups);
    std::set<std::string> taken;
    for (const auto& [number, name] : names)
        if (isCdiName(name))
            taken.insert(name);
    // One name twice would make the whole spec invalid: what was made up gives way to what somebody chose.
    const auto makeUp = [&](unsigned number, std::string name) {
        while (!taken.insert(name).second)
            name += fmt::format("-{}", number);
        return name;
    };
    for (auto& [number, name] : names)
        if (!isCdiName(name))
            name = makeUp(number, madeToFit(name));
    for (const auto& group : groups)
        if (!names.contains(group.number))
            names.emplace(group.number, makeUp(group.number, fmt::format("group-{}", group.number)));
    return names;
}

std::string cdiSpec(std::string_view kind, CdiNodes way, const std::vector<CdiDevice>& devices) {
    if (devices.empty())
        return {};
    auto list = nlohmann::ordered_json::array();
    for (const auto& device : devices)
        list.push_back({{"name", device.name}, {"containerEdits", edits(device.nodes)}});
    const nlohmann::ordered_json spec = {
        {"cdiVersion", "0.5.0"},
        {"kind", kind},
        {"devices", list},
        {"containerEdits", edits({way == CdiNodes::cdev ? "/dev/iommu" : "/dev/vfio/vfio"})}};
    return spec.dump(2) + '\n';
}

} // namespace vfiobind
