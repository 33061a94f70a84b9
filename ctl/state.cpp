// SPDX-License-Identifier: LGPL-2.1-or-later
#include "state.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace vfiobind::ctl {

namespace {

/// Addresses of more digits in the domain come after those of fewer, as the numbers do.
bool byAddress(const DeviceState* a, const DeviceState* b) {
    return std::pair(a->address.size(), a->address) < std::pair(b->address.size(), b->address);
}

} // namespace

std::string DeviceState::id() const {
    return fmt::format("{:04x}:{:04x}", vendor, device);
}

std::string DeviceState::name() const {
    if (vendorName.empty() || deviceName.empty())
        return vendorName + deviceName;
    return vendorName + " " + deviceName;
}

bool GroupState::ofInterest() const {
    return !rule.empty() || state != "native" || !leases.empty() || !lastError.empty() ||
           (!job.empty() && job != "/");
}

bool stepEnded(const std::string& result) {
    return !result.empty() && result != "begun" && result != "running";
}

std::vector<const GroupState*> Snapshot::groupsInOrder() const {
    std::vector<const GroupState*> result;
    for (const auto& [path, group] : groups)
        result.push_back(&group);
    std::ranges::sort(result, {}, [](const GroupState* group) { return group->number; });
    return result;
}

std::vector<const DeviceState*> Snapshot::members(const GroupState& group) const {
    std::vector<const DeviceState*> result;
    for (const auto& path : group.devices)
        if (const auto found = devices.find(path); found != devices.end())
            result.push_back(&found->second);
    std::ranges::sort(result, byAddress);
    return result;
}

std::vector<RuleState> Snapshot::rulesWithoutGroup() const {
    std::set<std::string> borne;
    for (const auto& [path, group] : groups)
        borne.insert(group.rule);
    std::vector<RuleState> result;
    for (const RuleState& rule : manager.rules)
        if (!borne.contains(rule.name))
            result.push_back(rule);
    return result;
}

std::vector<const DeviceState*> Snapshot::groupless() const {
    std::vector<const DeviceState*> result;
    for (const auto& [path, device] : devices)
        if (device.group.empty() || device.group == "/")
            result.push_back(&device);
    std::ranges::sort(result, byAddress);
    return result;
}

std::string addressAt(const Snapshot& snapshot, const std::string& path) {
    const auto found = snapshot.devices.find(path);
    return found != snapshot.devices.end() ? found->second.address : path;
}

} // namespace vfiobind::ctl
