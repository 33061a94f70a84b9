// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/target.h"

#include "plan/matches.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <ranges>

namespace vfiobind {
namespace {

using Kind = TargetError::Kind;

std::unexpected<TargetError> refuse(Kind kind, std::string sentence) {
    return std::unexpected(TargetError{kind, std::move(sentence)});
}

std::expected<Named, TargetError> findGroup(std::string_view text, const Topology& topology) {
    const auto digits = text.substr(std::string_view("group/").size());
    unsigned number = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9' || number > 100'000'000)
            return refuse(Kind::invalidArgument,
                          fmt::format("'{}' is no group; write group/ and its number, as in group/22", text));
        number = number * 10 + static_cast<unsigned>(c - '0');
    }
    if (digits.empty())
        return refuse(Kind::invalidArgument, "'group/' lacks the number; write group/22");
    const auto* group = topology.findGroup(number);
    if (group == nullptr)
        return refuse(
            Kind::noSuchGroup,
            fmt::format(
                "there is no {}: no IOMMU group has this number; `vfio-bindctl status --all` lists them",
                text));
    return Named{.devices = {group->members.begin(), group->members.end()}, .groups = {number}};
}

std::string matchesNothing(const Rule& rule, const Topology& topology) {
    const CardFinder cards(topology);
    std::string moved;
    for (const auto& selector : rule.devices)
        if (moved.empty() && (selector.address || selector.path))
            moved = cards.whereNow(selector);
    return fmt::format("rule {} matches no device on this machine now{}", rule.name, moved);
}

std::expected<Named, TargetError> named(std::set<Address> devices, const Topology& topology) {
    Named result{.devices = std::move(devices), .groups = {}};
    for (const auto& address : result.devices)
        if (const auto& group = topology.find(address)->group)
            result.groups.insert(*group);
    return result;
}

std::expected<Named, TargetError> findRule(const Rule& rule, const Topology& topology) {
    const auto matches = std::move(matchRules({&rule, 1}, topology).front());
    if (matches.devices.empty() && matches.bridges.empty() && matches.otherCards.empty())
        return refuse(Kind::noSuchDevice, matchesNothing(rule, topology));
    std::set<Address> all = matches.devices;
    all.insert(matches.bridges.begin(), matches.bridges.end());
    // The group of a slot that holds another card is refused with id-mismatch, which says more.
    for (const auto& address : matches.otherCards | std::views::keys)
        all.insert(address);
    return named(std::move(all), topology);
}

/// The virtual functions that the rule waits to be asked for, and that are not there yet.
std::map<Address, VfOrder> missingFunctions(const Rule& rule, const Topology& topology) {
    std::map<Address, VfOrder> missing;
    if (rule.when != When::asked)
        return missing;
    const auto matches = std::move(matchRules({&rule, 1}, topology).front());
    for (const auto& address : matches.physicalFunctions)
        if (topology.find(address)->virtualFunctions.size() != rule.sriovVfs)
            missing.emplace(address, vfOrderOf(rule));
    return missing;
}

} // namespace

std::expected<Named, TargetError> findTarget(std::string_view target, const Policy& policy,
                                             const Topology& topology) {
    if (target.starts_with("group/"))
        return findGroup(target, topology);
    if (const auto* rule = policy.find(target))
        return findRule(*rule, topology);
    if (target.find(':') == std::string_view::npos) {
        const bool nameLike = !target.empty() && std::ranges::all_of(target, [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '_';
        });
        if (nameLike)
            return refuse(Kind::noSuchRule, fmt::format("there is no rule named {}", target));
    }
    const auto selector = Selector::parse(target);
    if (!selector)
        return refuse(Kind::invalidArgument, selector.error());
    std::set<Address> matched;
    for (const auto& [address, device] : topology.devices())
        if (selector->match(device.facts()) == Match::yes && (selector->address || device.endpoint()))
            matched.insert(address);
    if (matched.empty())
        return refuse(Kind::noSuchDevice,
                      fmt::format("no PCI device matches {}; `lspci -D` lists all devices", target));
    return named(std::move(matched), topology);
}

std::expected<Target, TargetError> resolveTarget(std::string_view text, const Policy& policy,
                                                 const Topology& topology) {
    const auto found = findTarget(text, policy, topology);
    const bool isGroup = text.starts_with("group/");
    if (found && isGroup)
        return Target{.groups = found->groups};
    const auto* rule = isGroup ? nullptr : policy.find(text);
    Target target;
    if (rule != nullptr)
        target.virtualFunctions = missingFunctions(*rule, topology);
    if (!found && !target.virtualFunctions.empty())
        return target;
    if (!found)
        return std::unexpected(found.error());
    std::set<Address> bridges;
    for (const auto& address : found->devices) {
        const auto* device = topology.find(address);
        if (!device->group && device->endpoint())
            target.ungrouped.push_back(noIommu(address));
        else if (!device->group || topology.endpoints(*device->group).empty())
            bridges.insert(address);
        else
            target.groups.insert(*device->group);
    }
    if (target.groups.empty() && target.ungrouped.empty())
        return refuse(Kind::invalidArgument, fmt::format("{}{} {}", rule != nullptr ? "rule " : "", text,
                                                         onlyBridges(bridges, topology)));
    return target;
}

} // namespace vfiobind
