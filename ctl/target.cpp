// SPDX-License-Identifier: LGPL-2.1-or-later
#include "target.h"

#include "pci/address.h"
#include "pci/selector.h"
#include "pci/text.h"
#include "text.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

namespace vfiobind::ctl {

namespace {

using Devices = std::vector<const DeviceState*>;

Touched groupsOf(const Snapshot& snapshot, const Devices& devices) {
    Touched result;
    std::set<std::string> paths;
    for (const DeviceState* device : devices) {
        if (snapshot.groups.contains(device->group))
            paths.insert(device->group);
        else
            result.groupless.push_back(device);
    }
    for (const GroupState* group : snapshot.groupsInOrder())
        if (paths.contains(group->objectPath))
            result.groups.push_back(group);
    return result;
}

std::expected<Touched, std::string> resolveGroup(const Snapshot& snapshot, std::string_view number) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || end != number.data() + number.size())
        return std::unexpected(
            fmt::format("group/{} names no IOMMU group: after group/ comes a decimal number, "
                        "as in group/22",
                        printable(number)));
    for (const auto& [path, group] : snapshot.groups)
        if (group.number == value)
            return Touched{{&group}, {}};
    return std::unexpected(
        fmt::format("there is no IOMMU group {}; 'vfio-bindctl status --all' lists all groups", value));
}

DeviceFacts factsOf(const DeviceState& device, const Address& address) {
    const Ids ids{device.vendor, device.device, device.subsystemVendor, device.subsystemDevice,
                  device.classCode};
    return {address, ids, device.path};
}

bool matches(const Selector& selector, const DeviceState& device) {
    const auto address = Address::parse(device.address);
    return address && selector.match(factsOf(device, *address)) == Match::yes;
}

Devices matching(const Snapshot& snapshot, const Selector& selector) {
    Devices result;
    for (const auto& [path, device] : snapshot.devices)
        if (matches(selector, device))
            result.push_back(&device);
    return result;
}

std::expected<Touched, std::string> resolveRule(const Snapshot& snapshot, const RuleState& rule) {
    Touched result;
    for (const GroupState* group : snapshot.groupsInOrder())
        if (group->rule == rule.name)
            result.groups.push_back(group);
    if (result.groups.empty())
        result = groupsOf(snapshot, matchesOf(snapshot, rule).devices);
    if (result.groups.empty() && result.groupless.empty())
        return std::unexpected(
            fmt::format("the rule {} matches no device today ({}); it waits for one to be plugged in",
                        rule.name, fmt::join(rule.selectors, ", ")));
    return result;
}

} // namespace

std::expected<Touched, std::string> resolveTarget(const Snapshot& snapshot, std::string_view target) {
    if (target.starts_with("group/"))
        return resolveGroup(snapshot, target.substr(6));
    const auto rule = std::ranges::find(snapshot.manager.rules, target, &RuleState::name);
    if (rule != snapshot.manager.rules.end())
        return resolveRule(snapshot, *rule);
    if (target.find(':') == std::string_view::npos)
        return std::unexpected(
            fmt::format("there is no rule named {}; a target is a PCI address (0000:01:00.0), a "
                        "rule's name, an id (10de:1284) or group/22",
                        quote(target)));
    const auto selector = Selector::parse(target);
    if (!selector)
        return std::unexpected(selector.error());
    const Devices found = matching(snapshot, *selector);
    if (found.empty())
        return std::unexpected(
            fmt::format("no device is {} {}; 'vfio-bindctl status --all' lists all devices",
                        selector->address ? "at" : "like", printable(target)));
    return groupsOf(snapshot, found);
}

std::expected<Touched, std::string> everything(const Snapshot& snapshot) {
    return Touched{snapshot.groupsInOrder(), snapshot.groupless()};
}

bool isMalformedTarget(std::string_view target) {
    if (target.starts_with("group/")) {
        const auto number = target.substr(6);
        return number.empty() || number.find_first_not_of("0123456789") != std::string_view::npos;
    }
    return target.contains(':') && !Selector::parse(target);
}

RuleMatches matchesOf(const Snapshot& snapshot, const RuleState& rule) {
    RuleMatches result;
    result.wantsGroup = std::ranges::any_of(
        snapshot.groups, [&](const auto& entry) { return entry.second.rule == rule.name; });
    for (const std::string& text : rule.selectors) {
        const auto selector = Selector::parse(text);
        if (!selector) {
            result.certain = false;
            continue;
        }
        for (const DeviceState* device : matching(snapshot, *selector))
            if (std::ranges::find(result.devices, device) == result.devices.end())
                result.devices.push_back(device);
    }
    return result;
}

std::vector<Completion> completions(const Snapshot& snapshot) {
    std::vector<Completion> result;
    for (const RuleState& rule : snapshot.manager.rules)
        result.push_back({rule.name, "rule"});
    for (const GroupState* group : snapshot.groupsInOrder()) {
        std::string description = group->state;
        for (const DeviceState* device : snapshot.members(*group)) {
            result.push_back({device->address, device->name().empty() ? device->id() : device->name()});
            description += " " + device->address;
        }
        result.push_back({fmt::format("group/{}", group->number), description});
    }
    for (const DeviceState* device : snapshot.groupless())
        result.push_back({device->address, device->name().empty() ? device->id() : device->name()});
    return result;
}

} // namespace vfiobind::ctl
