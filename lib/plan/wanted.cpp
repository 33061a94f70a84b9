// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/wanted.h"

#include "plan/matches.h"
#include "plan/members.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>

namespace vfiobind {
namespace {

Wanted wantedBy(const Rule& rule) {
    return {.rule = rule.name,
            .driver = rule.driver,
            .method = rule.method,
            .allow = rule.allow,
            .timeout = rule.timeout,
            .keep = rule.keep,
            .node = rule.node,
            .giveBack = rule.giveBack,
            .pauseUnits = rule.pauseUnits,
            .by = "rule " + rule.name,
            .blockers = {}};
}

/// Whether one group cannot be both rules'.
bool disagree(const Rule& first, const Rule& second) {
    return first.driver != second.driver || first.when != second.when;
}

/// The group's entry, made from the rule when it is the first to want it. A second rule with another driver
/// makes the group ambiguous: on this machine as it was when the configuration was read they were apart, else
/// it would have been refused there.
Wanted& want(Resolution& resolution, unsigned group, const Rule& rule) {
    auto& groups = rule.when == When::always ? resolution.groups : resolution.asked;
    auto [it, fresh] = groups.try_emplace(group, wantedBy(rule));
    auto& wanted = it->second;
    if (!fresh && wanted.rule != rule.name && wanted.driver != rule.driver)
        wanted.blockers.push_back(
            {"ambiguous",
             {},
             fmt::format(
                 "group {} is claimed by rule {} with driver {} and by rule {} with driver {}; let one rule "
                 "name it",
                 group, wanted.rule, wanted.driver, rule.name, rule.driver)});
    return wanted;
}

void addBlocker(Resolution& resolution, const Device& device, const Rule& rule, Blocker blocker) {
    if (device.group)
        want(resolution, *device.group, rule).blockers.push_back(std::move(blocker));
    else
        resolution.ungrouped.push_back(std::move(blocker));
}

void addVirtualFunctions(Resolution& resolution, const Rule& rule, const RuleMatches& matches) {
    auto& orders = rule.when == When::always ? resolution.virtualFunctions : resolution.askedVirtualFunctions;
    for (const auto& address : matches.physicalFunctions)
        orders.try_emplace(address, vfOrderOf(rule));
}

/// Where another card is in the slot that a rule names, or none.
void addMissingCards(Resolution& resolution, const Rule& rule, const RuleMatches& matches,
                     const Topology& topology, const CardFinder& cards) {
    for (const auto& [address, selector] : matches.otherCards) {
        const auto* device = topology.find(address);
        addBlocker(
            resolution, *device, rule,
            {"id-mismatch", address,
             fmt::format(
                 "rule {} names {}, but the card at {} is {} (subsystem {:04x}:{:04x}{}); correct the "
                 "rule if this card is meant{}",
                 rule.name, selector->str(), address.str(), device->ids.str(), device->ids.subsystemVendor,
                 device->ids.subsystemDevice,
                 selector->serial && !device->serial.empty() ? ", serial number " + device->serial : "",
                 cards.whereNow(*selector))});
    }
    for (std::size_t i = 0; i < rule.devices.size(); ++i) {
        const auto& selector = rule.devices[i];
        if (matches.found[i] || (!selector.address && !selector.path))
            continue;
        if (const auto where = cards.whereNow(selector); !where.empty())
            resolution.moved.push_back(
                fmt::format("rule {} names {}, and no card is there{}", rule.name, selector.str(), where));
    }
}

void resolveRule(Resolution& resolution, const Rule& rule, const RuleMatches& matches,
                 const Topology& topology, const CardFinder& cards) {
    resolution.devicesOfRules[rule.name] = matches.devices;
    addVirtualFunctions(resolution, rule, matches);
    if (matches.devices.empty() && matches.otherCards.empty() && matches.physicalFunctions.empty())
        resolution.waiting.push_back(rule.name);
    addMissingCards(resolution, rule, matches, topology, cards);
    const auto wrongCount =
        !rule.count || matches.devices.size() == *rule.count
            ? std::string{}
            : fmt::format(
                  "rule {} expects {} device(s) and {} match: {}; name them more closely or correct count",
                  rule.name, *rule.count, matches.devices.size(), listed(matches.devices));
    std::set<unsigned> groups;
    for (const auto& address : matches.devices) {
        const auto* device = topology.find(address);
        if (device == nullptr)
            continue; // a VF that is named by its PF and not read yet: its own event comes
        if (!device->group) {
            resolution.ungrouped.push_back(noIommu(address));
            continue;
        }
        auto& wanted = want(resolution, *device->group, rule);
        if (!wrongCount.empty())
            wanted.blockers.push_back({"ambiguous", address, wrongCount});
        if (groups.insert(*device->group).second)
            for (auto& blocker : unexpectedMembers(rule, *device->group, topology))
                wanted.blockers.push_back(std::move(blocker));
    }
    for (auto& blocker : serialsOfSeveralCards(rule, matches, topology))
        addBlocker(resolution, *topology.find(*blocker.device), rule, std::move(blocker));
}

/// A group that one rule wants always and another when asked, which the reading of the configuration would
/// have refused: nobody has it until one of them is corrected.
void settleAsked(Resolution& resolution) {
    for (auto& [group, wanted] : resolution.groups) {
        const auto asked = resolution.asked.find(group);
        if (asked == resolution.asked.end())
            continue;
        wanted.blockers.push_back(
            {"ambiguous",
             {},
             fmt::format("group {} is claimed by rule {}, which binds it always, and by rule {}, which binds "
                         "it when asked; let one rule name it",
                         group, wanted.rule, asked->second.rule)});
        resolution.asked.erase(asked);
    }
    for (const auto& [address, order] : resolution.virtualFunctions)
        resolution.askedVirtualFunctions.erase(address);
}

ConfigError conflict(const Rule& first, const Rule& second, const std::string& what) {
    return {second.where,
            fmt::format("rule {} and rule {} ({}) {}", second.name, first.name, first.where.str(), what)};
}

ConfigError groupConflict(const Rule& first, const Rule& second, unsigned group) {
    if (first.driver != second.driver)
        return conflict(first, second,
                        fmt::format("both claim IOMMU group {}, with the drivers {} and {}; a group "
                                    "is bound whole, to one driver",
                                    group, second.driver, first.driver));
    return conflict(first, second,
                    fmt::format("both claim IOMMU group {}, one always and one when asked; a group is bound "
                                "whole: give both the same `when`",
                                group));
}

} // namespace

std::string_view verb(Action action) {
    return action == Action::bind ? "bind" : "release";
}

VfOrder vfOrderOf(const Rule& rule) {
    return {.count = rule.sriovVfs,
            .driver = rule.driver == "auto" ? "vfio-pci" : rule.driver,
            .by = "rule " + rule.name,
            .timeout = rule.timeout};
}

Resolution resolve(const Policy& policy, const Topology& topology) {
    Resolution resolution;
    const auto matches = matchRules(policy.rules, topology);
    const CardFinder cards(topology);
    for (std::size_t i = 0; i < policy.rules.size(); ++i)
        resolveRule(resolution, policy.rules[i], matches[i], topology, cards);
    settleAsked(resolution);
    return resolution;
}

const Wanted* Resolution::ofRule(unsigned group) const {
    for (const auto* map : {&groups, &asked})
        if (const auto found = map->find(group); found != map->end())
            return &found->second;
    return nullptr;
}

bool sameToRules(const Device& before, const Device& now) {
    return before.ids == now.ids && before.path == now.path && before.bridge == now.bridge &&
           before.group == now.group && before.serial == now.serial &&
           before.physicalFunction == now.physicalFunction && before.virtualFunctions == now.virtualFunctions;
}

std::vector<ConfigError> contradictions(const Policy& policy, const Topology& topology) {
    std::vector<ConfigError> errors;
    std::map<Address, const Rule*> ownerOfDevice;
    std::map<unsigned, const Rule*> ownerOfGroup;
    const auto found = matchRules(policy.rules, topology);
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        const auto& rule = policy.rules[i];
        const auto& matches = found[i];
        if (matches.devices.empty() && !matches.bridges.empty() && rule.sriovVfs == 0)
            errors.push_back(
                {rule.where, fmt::format("rule {} {}", rule.name, onlyBridges(matches.bridges, topology))});
        std::set<const Rule*> reported;
        for (const auto& address : matches.devices) {
            const auto [device, free] = ownerOfDevice.try_emplace(address, &rule);
            if (!free && reported.insert(device->second).second)
                errors.push_back(
                    conflict(*device->second, rule,
                             fmt::format("both match {}; let one of them name it", address.str())));
            const auto* member = topology.find(address);
            if (member == nullptr || !member->group)
                continue;
            const auto [group, first] = ownerOfGroup.try_emplace(*member->group, &rule);
            if (!first && disagree(*group->second, rule) && reported.insert(group->second).second)
                errors.push_back(groupConflict(*group->second, rule, *member->group));
        }
    }
    return errors;
}

} // namespace vfiobind
