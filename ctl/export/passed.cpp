// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/passed.h"

#include "pci/ids.h"
#include "publish/cdi.h"
#include "topology/device.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace vfiobind::ctl {
namespace {

std::uint16_t classOf(const DeviceState& device) {
    return Ids{.classCode = device.classCode}.classId();
}

/// As far as a class tells: the bus has no header types. It only chooses the words of a refusal.
bool looksLikeABridge(const DeviceState& device) {
    constexpr std::uint16_t pciToPci = 0x0604;
    const auto classId = classOf(device);
    return classId == pciToPci || classId == pciclass::hostBridge;
}

/// `0000:01:00.0 has nouveau, 0000:01:00.1 has no driver`
std::string driversOf(const std::vector<const DeviceState*>& members) {
    std::vector<std::string> parts;
    for (const auto* device : members)
        if (!looksLikeABridge(*device))
            parts.push_back(fmt::format("{} has {}", device->address,
                                        device->driver.empty() ? "no driver" : device->driver));
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string whatToDo(const GroupState& group) {
    const auto number = group.number;
    if (group.state == "binding")
        return "is being bound; ask again when that is done ('vfio-bindctl watch' tells)";
    if (group.state == "releasing")
        return fmt::format("is being released; 'vfio-bindctl bind group/{}' takes it back after that",
                           number);
    if (group.state == "stuck")
        return fmt::format("is stuck, a step hangs in the kernel; 'vfio-bindctl show group/{}' says which",
                           number);
    if (group.state == "blocked" && !group.blockers.empty())
        return fmt::format("is not bound: {}; 'vfio-bindctl check group/{}' says all that forbids it",
                           group.blockers.front().sentence, number);
    return {};
}

std::string refusal(const GroupState& group, const std::vector<const DeviceState*>& members) {
    if (const auto known = whatToDo(group); !known.empty())
        return fmt::format("group {} {}", group.number, known);
    if (std::ranges::all_of(members, [](const auto* device) { return looksLikeABridge(*device); }))
        return fmt::format("group {} has only bridges, which stay with the host; name a device behind them",
                           group.number);
    return fmt::format("group {} is not bound ({}); 'vfio-bindctl bind group/{}' hands it to VFIO",
                       group.number, driversOf(members), group.number);
}

Address knownAddress(const DeviceState& device) {
    const auto address = Address::parse(device.address);
    if (!address)
        throw std::runtime_error("the daemon named a device that cannot be: " + address.error());
    return *address;
}

PassedFunction passed(const DeviceState& device) {
    return {.address = knownAddress(device),
            .vendor = device.vendor,
            .device = device.device,
            .subsystemVendor = device.subsystemVendor,
            .subsystemDevice = device.subsystemDevice,
            .classId = classOf(device),
            .driver = device.driver,
            .cdev = device.vfioDevice,
            .virtualFunction = !device.physicalFunction.empty() && device.physicalFunction != "/"};
}

bool sameCard(const Address& one, const Address& other) {
    return one.domain == other.domain && one.bus == other.bus && one.device == other.device;
}

/// A virtual function can have the numbers of a function of another card, so that it is never a card's part.
void markWholeCards(const Snapshot& snapshot, std::vector<PassedFunction>& functions) {
    for (auto& function : functions) {
        const auto handedOver = std::ranges::count_if(functions, [&](const PassedFunction& other) {
            return sameCard(function.address, other.address);
        });
        const auto there = std::ranges::count_if(snapshot.devices, [&](const auto& entry) {
            return sameCard(function.address, knownAddress(entry.second));
        });
        function.wholeCard = !function.virtualFunction && handedOver == there;
    }
}

/// Of all groups that have a rule, and the target's.
std::map<unsigned, std::string> publishedNames(const Snapshot& snapshot, const Touched& touched) {
    std::vector<RuleGroup> groups;
    for (const auto* group : snapshot.groupsInOrder()) {
        if (group->rule.empty() && std::ranges::find(touched.groups, group) == touched.groups.end())
            continue;
        const auto members = snapshot.members(*group);
        const auto first =
            std::ranges::find_if_not(members, [](const auto* device) { return looksLikeABridge(*device); });
        if (first != members.end())
            groups.push_back({group->number, group->rule, knownAddress(**first)});
    }
    return cdiNames(groups);
}

/// What the group lacks that a program opens.
std::string missingNode(const PassedGroup& group, bool iommufd) {
    if (!iommufd)
        return group.node.empty()
                   ? fmt::format("group {} is bound, but there is no /dev/vfio/{} for a VM to open; "
                                 "see what the kernel says: dmesg",
                                 group.number, group.number)
                   : std::string{};
    const auto bare = std::ranges::find(group.functions, std::string{}, &PassedFunction::cdev);
    return bare == group.functions.end()
               ? std::string{}
               : fmt::format(
                     "{} has no node in /dev/vfio/devices, by which it is taken through iommufd: the "
                     "kernel must be 6.6 or later and have CONFIG_VFIO_DEVICE_CDEV; without --iommufd "
                     "it is taken by its group's node",
                     bare->address.str());
}

std::expected<PassedGroup, std::string> passedGroup(const Snapshot& snapshot, const GroupState& group,
                                                    bool iommufd) {
    const auto members = snapshot.members(group);
    PassedGroup result{.number = group.number,
                       .rule = group.rule,
                       .node = group.node,
                       .noIommu = group.node.starts_with("/dev/vfio/noiommu-"),
                       .ours = group.state == "bound"};
    for (const auto* device : members)
        // Where the kernel makes no node of the device's own, the bus tells of its driver the name only.
        if (!device->vfioDevice.empty() || isVfioDriver(device->driver))
            result.functions.push_back(passed(*device));
    markWholeCards(snapshot, result.functions);
    for (const auto& holder : group.holders)
        result.holders.push_back(fmt::format("{} (pid {})", holder.command, holder.pid));
    // `native` is also what somebody else has bound by hand: that serves a VM as well.
    const bool foreign = group.state == "native" && group.viable && !result.functions.empty();
    if (!result.ours && !foreign)
        return std::unexpected(refusal(group, members));
    if (result.functions.empty())
        return std::unexpected(fmt::format("group {} is with {}, which keeps a device from everybody; "
                                           "'vfio-bindctl bind group/{} --driver vfio-pci' hands it to VFIO",
                                           group.number, group.driver, group.number));
    if (auto missing = missingNode(result, iommufd); !missing.empty())
        return std::unexpected(std::move(missing));
    return result;
}

} // namespace

std::string ruleOrGroup(const PassedGroup& group) {
    return group.rule.empty() ? fmt::format("group-{}", group.number) : group.rule;
}

std::vector<std::string> nodesOf(const PassedGroup& group, bool iommufd) {
    if (!iommufd)
        return {group.node};
    std::vector<std::string> cdevs;
    for (const auto& function : group.functions)
        cdevs.push_back(function.cdev);
    return cdevs;
}

std::vector<std::string> withVariantDriver(const std::vector<PassedGroup>& groups) {
    std::vector<std::string> result;
    for (const auto& group : groups)
        for (const auto& function : group.functions)
            if (function.driver != "vfio-pci")
                result.push_back(fmt::format("{} is with {}", function.address.str(), function.driver));
    return result;
}

std::expected<std::vector<PassedGroup>, std::string> passedGroups(const Snapshot& snapshot,
                                                                  const Touched& touched, bool iommufd) {
    std::vector<PassedGroup> result;
    std::vector<std::string> refusals;
    const auto names = publishedNames(snapshot, touched);
    for (const auto* device : touched.groupless)
        refusals.push_back(fmt::format("{} is in no IOMMU group, so nothing can have it through VFIO; "
                                       "'vfio-bindctl doctor {}' says why",
                                       device->address, device->address));
    for (const auto* group : touched.groups) {
        auto one = passedGroup(snapshot, *group, iommufd);
        if (!one) {
            refusals.push_back(std::move(one.error()));
            continue;
        }
        one->name = names.at(one->number);
        result.push_back(std::move(*one));
    }
    if (!refusals.empty())
        return std::unexpected(fmt::format("{}", fmt::join(refusals, "\n")));
    return result;
}

} // namespace vfiobind::ctl
