// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/members.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace vfiobind {
namespace {

/// What two bridge paths have in common, whole steps only: `0000:00/01.0` of `0000:00/01.0/00.0` and
/// `0000:00/01.0/01.0`; empty where they begin at different root buses.
std::string_view commonPath(std::string_view first, std::string_view second) {
    std::size_t common = 0;
    for (std::size_t i = 0; i <= first.size() && i <= second.size(); ++i) {
        const bool firstEnds = i == first.size() || first[i] == '/';
        const bool secondEnds = i == second.size() || second[i] == '/';
        if (firstEnds && secondEnds)
            common = i;
        if (i == first.size() || i == second.size() || first[i] != second[i])
            break;
    }
    return first.substr(0, common);
}

/// The nearest to the newcomer of those that the rule knows of; nullptr where there is none.
const Device* nearestKnown(const Rule& rule, const std::vector<const Device*>& endpoints,
                           const Device& newcomer) {
    const Device* nearest = nullptr;
    std::size_t most = 0;
    for (const auto* device : endpoints) {
        const auto length = commonPath(newcomer.path, device->path).size();
        if (isKnownMember(rule, *device) && (nearest == nullptr || length > most)) {
            nearest = device;
            most = length;
        }
    }
    return nearest;
}

std::string howJoined(const Device& newcomer, const Device& known, const Topology& topology) {
    const auto common = commonPath(newcomer.path, known.path);
    for (const auto& [address, device] : topology.devices())
        if (device.bridge && device.path == common)
            return fmt::format("the bridge {} joins it with {}", address.str(), known.address.str());
    return fmt::format("it is on the root bus with {}", known.address.str());
}

} // namespace

bool isKnownMember(const Rule& rule, const Device& device) {
    const auto names = [&](const Selector& selector) { return selector.match(device.facts()) == Match::yes; };
    return std::ranges::any_of(rule.devices, names) ||
           (rule.members && std::ranges::any_of(*rule.members, names));
}

Blockers unexpectedMembers(const Rule& rule, unsigned group, const Topology& topology) {
    Blockers blockers;
    if (!rule.members)
        return blockers;
    const auto endpoints = topology.endpoints(group);
    for (const auto* device : endpoints) {
        // A rule with sriov-vfs names the physical function and means its virtual functions.
        const auto* physicalFunction =
            device->physicalFunction ? topology.find(*device->physicalFunction) : nullptr;
        if (isKnownMember(rule, *device) ||
            (rule.sriovVfs > 0 && physicalFunction != nullptr && isKnownMember(rule, *physicalFunction)))
            continue;
        const auto* known = nearestKnown(rule, endpoints, *device);
        blockers.push_back(
            {"unexpected-member", device->address,
             fmt::format("{} ({}) is in group {} too, and rule {} names it neither in devices nor in members"
                         "{}; add it to members if it may be handed over with the group",
                         device->address.str(), device->ids.str(), group, rule.name,
                         known == nullptr ? "" : ": " + howJoined(*device, *known, topology))});
    }
    return blockers;
}

} // namespace vfiobind
