// SPDX-License-Identifier: LGPL-2.1-or-later
#include "changes.h"

#include "job_tracker.h"
#include "render.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vfiobind::ctl {

namespace {

std::string orNone(const std::string& text) {
    return text.empty() ? "none" : text;
}

} // namespace

std::vector<std::string> changes(const ManagerState& before, const ManagerState& after) {
    std::vector<std::string> result;
    if (before.configError != after.configError)
        result.push_back(after.configError.empty() ? "the configuration no longer has an error"
                                                   : "configuration error: " + after.configError);
    if (before.rules != after.rules) {
        std::vector<std::string> names;
        for (const RuleState& rule : after.rules)
            names.push_back(rule.name);
        result.push_back(names.empty() ? "no rules are in force"
                                       : fmt::format("rules in force: {}", fmt::join(names, ", ")));
    }
    if (before.iommu != after.iommu)
        result.push_back(fmt::format("IOMMU: {}", orNone(after.iommu)));
    return result;
}

std::vector<std::string> changes(const GroupState& before, const GroupState& after) {
    const std::string name = fmt::format("group/{}", after.number);
    std::vector<std::string> result;
    if (before.state != after.state)
        result.push_back(fmt::format("{}: {} -> {}", name, orNone(before.state), after.state));
    if (before.rule != after.rule)
        result.push_back(fmt::format("{}: rule {} -> {}", name, orNone(before.rule), orNone(after.rule)));
    if (before.viable != after.viable)
        result.push_back(fmt::format("{}: {}", name, after.viable ? "viable" : "no longer viable"));
    if (before.node != after.node)
        result.push_back(fmt::format("{}: node {}", name, after.node.empty() ? "gone" : after.node));
    for (const BlockerState& blocker : after.blockers)
        if (std::ranges::find(before.blockers, blocker) == before.blockers.end())
            result.push_back(fmt::format("{}: {}: {}", name, blocker.code, blocker.sentence));
    for (const HolderState& holder : after.holders)
        if (std::ranges::find(before.holders, holder) == before.holders.end())
            result.push_back(fmt::format("{}: in use by {} (pid {})", name, holder.command, holder.pid));
    if (!before.holders.empty() && after.holders.empty())
        result.push_back(fmt::format("{}: no longer in use", name));
    for (const LeaseState& lease : after.leases)
        if (std::ranges::find(before.leases, lease) == before.leases.end())
            result.push_back(fmt::format("{}: {}", name, leaseText(lease)));
    if (!before.leases.empty() && after.leases.size() < before.leases.size())
        result.push_back(after.leases.empty()
                             ? fmt::format("{}: no longer leased", name)
                             : fmt::format("{}: a lease has ended, {} left", name, after.leases.size()));
    if (before.lastError != after.lastError && !after.lastError.empty())
        result.push_back(fmt::format("{}: error: {}", name, after.lastError));
    return result;
}

std::vector<std::string> changes(const DeviceState& before, const DeviceState& after) {
    if (before.driver == after.driver)
        return {};
    return {fmt::format("{}: driver {} -> {}", after.address, orNone(before.driver), orNone(after.driver))};
}

std::vector<std::string> changes(const JobState& before, const JobState& after) {
    const std::string name = groupName(after.group);
    std::vector<std::string> result;
    for (std::size_t i = 0; i < after.steps.size(); ++i) {
        const bool endedBefore = i < before.steps.size() && stepEnded(before.steps[i].second);
        if (!endedBefore && stepEnded(after.steps[i].second))
            result.push_back(fmt::format("{}: {}: {}", name, after.steps[i].first, after.steps[i].second));
    }
    if (before.state != after.state && after.state == "stuck")
        result.push_back(fmt::format("{}: the job is stuck: a step hangs in the kernel", name));
    return result;
}

} // namespace vfiobind::ctl
