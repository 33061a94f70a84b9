// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/wanted.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>

namespace vfiobind {
namespace {

struct RuleMatches {
    std::set<Address> devices;                 ///< endpoints that are wanted
    std::set<Address> bridges;                 ///< matched, but never handed over
    std::set<Address> physicalFunctions;       ///< of a rule with sriov-vfs: their VFs are wanted
    std::map<Address, std::string> otherCards; ///< selector that names the slot, by device
};

RuleMatches matchRule(const Rule& rule, const Topology& topology) {
    RuleMatches found;
    for (const auto& [address, device] : topology.devices()) {
        Match best = Match::no;
        std::string selectorText;
        for (const auto& selector : rule.devices) {
            const Match match = selector.match(device.facts());
            if (match == Match::yes) {
                best = match;
                break;
            }
            if (match == Match::otherCard) {
                best = match;
                selectorText = selector.str();
            }
        }
        if (best == Match::otherCard)
            found.otherCards.emplace(address, selectorText);
        else if (best == Match::yes && !device.endpoint())
            found.bridges.insert(address);
        else if (best == Match::yes && rule.sriovVfs > 0) {
            found.physicalFunctions.insert(address);
            found.devices.insert(device.virtualFunctions.begin(), device.virtualFunctions.end());
        } else if (best == Match::yes)
            found.devices.insert(address);
    }
    return found;
}

std::string join(const std::set<Address>& addresses) {
    std::string text;
    for (const auto& address : addresses)
        text += (text.empty() ? "" : ", ") + address.str();
    return text;
}

Blocker noIommu(const Address& device) {
    return {"no-iommu", device,
            fmt::format("{} has no IOMMU group: the IOMMU is off or does not cover it; switch on VT-d or "
                        "AMD-Vi in the firmware "
                        "and, on Intel, add intel_iommu=on to the kernel command line",
                        device.str())};
}

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

void resolveRule(Resolution& resolution, const Rule& rule, const Topology& topology) {
    const auto matches = matchRule(rule, topology);
    resolution.devicesOfRules[rule.name] = matches.devices;
    auto& orders = rule.when == When::always ? resolution.virtualFunctions : resolution.askedVirtualFunctions;
    for (const auto& address : matches.physicalFunctions)
        orders.try_emplace(address, VfOrder{.count = rule.sriovVfs,
                                            .driver = rule.driver == "auto" ? "vfio-pci" : rule.driver,
                                            .by = "rule " + rule.name,
                                            .timeout = rule.timeout});
    if (matches.devices.empty() && matches.otherCards.empty() && matches.physicalFunctions.empty())
        resolution.waiting.push_back(rule.name);

    for (const auto& [address, selector] : matches.otherCards) {
        const auto* device = topology.find(address);
        addBlocker(
            resolution, *device, rule,
            {"id-mismatch", address,
             fmt::format("rule {} names {}, but the card at {} is {} (subsystem {:04x}:{:04x}); correct the "
                         "rule if this card is meant",
                         rule.name, selector, address.str(), device->ids.str(), device->ids.subsystemVendor,
                         device->ids.subsystemDevice)});
    }
    const bool wrongCount = rule.count && matches.devices.size() != *rule.count;
    for (const auto& address : matches.devices) {
        const auto* device = topology.find(address);
        if (device == nullptr)
            continue; // a VF that is named by its PF and not read yet: its own event comes
        if (!device->group) {
            resolution.ungrouped.push_back(noIommu(address));
            continue;
        }
        auto& wanted = want(resolution, *device->group, rule);
        if (wrongCount)
            wanted.blockers.push_back(
                {"ambiguous", address,
                 fmt::format(
                     "rule {} expects {} device(s) and {} match: {}; name them more closely or correct count",
                     rule.name, *rule.count, matches.devices.size(), join(matches.devices))});
    }
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

/// The endpoints that hang below a bridge, to say what could have been named instead.
std::set<Address> endpointsBelow(const Device& bridge, const Topology& topology) {
    std::set<Address> found;
    for (const auto& [address, device] : topology.devices())
        if (device.endpoint() && device.path.starts_with(bridge.path + '/'))
            found.insert(address);
    return found;
}

std::string onlyBridges(const std::set<Address>& bridges, const Topology& topology) {
    std::set<Address> below;
    for (const auto& address : bridges)
        below.merge(endpointsBelow(*topology.find(address), topology));
    return fmt::format("names only bridges ({}), which are never handed over; name a device{}", join(bridges),
                       below.empty() ? "" : " behind it instead: " + join(below));
}

} // namespace

std::string_view verb(Action action) {
    return action == Action::bind ? "bind" : "release";
}

Resolution resolve(const Policy& policy, const Topology& topology) {
    Resolution resolution;
    for (const auto& rule : policy.rules)
        resolveRule(resolution, rule, topology);
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
           before.group == now.group && before.physicalFunction == now.physicalFunction &&
           before.virtualFunctions == now.virtualFunctions;
}

bool concerns(const Policy& policy, const Topology& topology, const Device& device) {
    const auto* physicalFunction =
        device.physicalFunction ? topology.find(*device.physicalFunction) : nullptr;
    const auto names = [&](const Selector& selector) {
        return selector.match(device.facts()) != Match::no ||
               (physicalFunction != nullptr && selector.match(physicalFunction->facts()) != Match::no);
    };
    return std::ranges::any_of(policy.rules,
                               [&](const Rule& rule) { return std::ranges::any_of(rule.devices, names); });
}

std::vector<ConfigError> contradictions(const Policy& policy, const Topology& topology) {
    std::vector<ConfigError> errors;
    std::map<Address, const Rule*> ownerOfDevice;
    std::map<unsigned, const Rule*> ownerOfGroup;
    for (const auto& rule : policy.rules) {
        const auto matches = matchRule(rule, topology);
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
            const auto* found = topology.find(address);
            if (found == nullptr || !found->group)
                continue;
            const auto [group, first] = ownerOfGroup.try_emplace(*found->group, &rule);
            if (!first && disagree(*group->second, rule) && reported.insert(group->second).second)
                errors.push_back(groupConflict(*group->second, rule, *found->group));
        }
    }
    return errors;
}

namespace {

using Kind = TargetError::Kind;

std::unexpected<TargetError> refuse(Kind kind, std::string sentence) {
    return std::unexpected(TargetError{kind, std::move(sentence)});
}

std::expected<Target, TargetError> groupTarget(std::string_view text, const Topology& topology) {
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
    if (topology.findGroup(number) == nullptr)
        return refuse(
            Kind::noSuchGroup,
            fmt::format(
                "there is no {}: no IOMMU group has this number; `vfio-bindctl status --all` lists them",
                text));
    return Target{.groups = {number}};
}

/// The groups of devices that a selector or rule matched, or why there are none to take.
std::expected<Target, TargetError> targetOf(const std::set<Address>& devices, const std::string& text,
                                            const Topology& topology) {
    Target target;
    std::set<Address> bridges;
    for (const auto& address : devices) {
        const auto* device = topology.find(address);
        if (!device->group && device->endpoint())
            target.ungrouped.push_back(noIommu(address));
        else if (!device->group || topology.endpoints(*device->group).empty())
            bridges.insert(address);
        else
            target.groups.insert(*device->group);
    }
    if (target.groups.empty() && target.ungrouped.empty())
        return refuse(Kind::invalidArgument, fmt::format("{} {}", text, onlyBridges(bridges, topology)));
    return target;
}

} // namespace

std::expected<Target, TargetError> resolveTarget(std::string_view target, const Policy& policy,
                                                 const Topology& topology) {
    const std::string text(target);
    if (target.starts_with("group/"))
        return groupTarget(target, topology);
    if (const auto* rule = policy.find(target)) {
        const auto matches = matchRule(*rule, topology);
        if (matches.devices.empty() && matches.bridges.empty() && matches.otherCards.empty())
            return refuse(Kind::noSuchDevice,
                          fmt::format("rule {} matches no device on this machine now", text));
        std::set<Address> all = matches.devices;
        all.insert(matches.bridges.begin(), matches.bridges.end());
        // The group of a slot that holds another card is refused with id-mismatch, which says more.
        for (const auto& address : matches.otherCards | std::views::keys)
            all.insert(address);
        return targetOf(all, "rule " + text, topology);
    }
    if (target.find(':') == std::string_view::npos) {
        const bool nameLike = !target.empty() && std::ranges::all_of(target, [](unsigned char c) {
            return std::isalnum(c) != 0 || c == '-' || c == '_';
        });
        if (nameLike)
            return refuse(Kind::noSuchRule, fmt::format("there is no rule named {}", text));
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
                      fmt::format("no PCI device matches {}; `lspci -D` lists those there are", text));
    return targetOf(matched, text, topology);
}

} // namespace vfiobind
