// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/passed.h"

#include "pci/ids.h"
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

PassedFunction passed(const DeviceState& device) {
    const auto address = Address::parse(device.address);
    if (!address)
        throw std::runtime_error("the daemon named a device that cannot be: " + address.error());
    return {.address = *address,
            .vendor = device.vendor,
            .device = device.device,
            .classId = classOf(device),
            .driver = device.driver,
            .virtualFunction = !device.physicalFunction.empty() && device.physicalFunction != "/"};
}

std::expected<PassedGroup, std::string> passedGroup(const Snapshot& snapshot, const GroupState& group) {
    const auto members = snapshot.members(group);
    PassedGroup result{.number = group.number,
                       .node = group.node,
                       .noIommu = group.node.starts_with("/dev/vfio/noiommu-"),
                       .ours = group.state == "bound"};
    for (const auto* device : members)
        if (isVfioDriver(device->driver))
            result.functions.push_back(passed(*device));
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
    if (result.node.empty())
        return std::unexpected(
            fmt::format("group {} is bound, but there is no /dev/vfio/{} for a VM to open; "
                        "see what the kernel says: dmesg",
                        group.number, group.number));
    return result;
}

} // namespace

std::expected<std::vector<PassedGroup>, std::string> passedGroups(const Snapshot& snapshot,
                                                                  const Touched& touched) {
    std::vector<PassedGroup> result;
    std::vector<std::string> refusals;
    for (const auto* device : touched.groupless)
        refusals.push_back(fmt::format("{} is in no IOMMU group, so that nothing can have it through VFIO; "
                                       "'vfio-bindctl doctor {}' says why",
                                       device->address, device->address));
    for (const auto* group : touched.groups) {
        auto one = passedGroup(snapshot, *group);
        if (one)
            result.push_back(std::move(*one));
        else
            refusals.push_back(std::move(one.error()));
    }
    if (!refusals.empty())
        return std::unexpected(fmt::format("{}", fmt::join(refusals, "\n")));
    return result;
}

} // namespace vfiobind::ctl
