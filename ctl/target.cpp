// SPDX-License-Identifier: LGPL-2.1-or-later
#include "target.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace vfiobind::ctl {

Touched touchedBy(const Snapshot& snapshot, const Resolved& resolved) {
    const std::set<std::string> groups(resolved.groups.begin(), resolved.groups.end());
    const std::set<std::string> devices(resolved.devices.begin(), resolved.devices.end());
    Touched result;
    for (const GroupState* group : snapshot.groupsInOrder())
        if (groups.contains(group->objectPath))
            result.groups.push_back(group);
    for (const DeviceState* device : snapshot.groupless())
        if (devices.contains(device->objectPath))
            result.groupless.push_back(device);
    return result;
}

Touched everything(const Snapshot& snapshot) {
    return {snapshot.groupsInOrder(), snapshot.groupless()};
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
