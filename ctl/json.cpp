// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json.h"

#include <nlohmann/json.hpp>

namespace vfiobind::ctl {

namespace {

using Json = nlohmann::ordered_json;

Json toJson(const std::vector<BlockerState>& blockers) {
    Json result = Json::array();
    for (const BlockerState& blocker : blockers)
        result.push_back(
            {{"Code", blocker.code}, {"Device", blocker.device}, {"Sentence", blocker.sentence}});
    return result;
}

} // namespace

Json toJson(const ManagerState& manager) {
    Json rules = Json::array();
    for (const RuleState& rule : manager.rules)
        rules.push_back({{"Name", rule.name}, {"Driver", rule.driver}, {"Devices", rule.selectors}});
    return {{"Version", manager.version},         {"Iommu", manager.iommu},
            {"NoIommu", manager.noIommu},         {"ConfigFiles", manager.configFiles},
            {"ConfigError", manager.configError}, {"Rules", rules}};
}

Json toJson(const GroupState& group) {
    Json holders = Json::array();
    for (const HolderState& holder : group.holders)
        holders.push_back({{"Pid", holder.pid}, {"Command", holder.command}});
    return {{"Object", group.objectPath},
            {"Number", group.number},
            {"State", group.state},
            {"Viable", group.viable},
            {"Devices", group.devices},
            {"Rule", group.rule},
            {"Driver", group.driver},
            {"Node", group.node},
            {"Type", group.type},
            {"Blockers", toJson(group.blockers)},
            {"Holders", holders},
            {"LastError", group.lastError},
            {"Job", group.job}};
}

Json toJson(const DeviceState& device) {
    return {{"Object", device.objectPath},
            {"Address", device.address},
            {"Vendor", device.vendor},
            {"Device", device.device},
            {"SubsystemVendor", device.subsystemVendor},
            {"SubsystemDevice", device.subsystemDevice},
            {"Class", device.classCode},
            {"VendorName", device.vendorName},
            {"DeviceName", device.deviceName},
            {"Driver", device.driver},
            {"DriverOverride", device.driverOverride},
            {"NativeModules", device.nativeModules},
            {"Group", device.group},
            {"BootVga", device.bootVga},
            {"ResetMethods", device.resetMethods},
            {"NumaNode", device.numaNode},
            {"Path", device.path},
            {"VfioDevice", device.vfioDevice},
            {"PhysicalFunction", device.physicalFunction},
            {"VirtualFunctions", device.virtualFunctions}};
}

Json toJson(const JobState& job) {
    Json steps = Json::array();
    for (const auto& [step, result] : job.steps)
        steps.push_back({{"Step", step}, {"Result", result}});
    return {{"Object", job.objectPath}, {"Id", job.id},   {"Kind", job.kind},      {"Group", job.group},
            {"State", job.state},       {"Steps", steps}, {"Started", job.started}};
}

std::string showJson(const Snapshot& snapshot, const Touched& touched) {
    Json groups = Json::array();
    for (const GroupState* group : touched.groups) {
        Json entry = toJson(*group);
        entry["Members"] = Json::array();
        for (const DeviceState* device : snapshot.members(*group))
            entry["Members"].push_back(toJson(*device));
        groups.push_back(std::move(entry));
    }
    Json devices = Json::array();
    for (const DeviceState* device : touched.groupless)
        devices.push_back(toJson(*device));
    return dumpLine({{"Groups", groups}, {"Devices", devices}});
}

std::string checkJson(const std::string& target, const CheckResult& check) {
    return dumpLine({{"Target", target},
                     {"Possible", check.possible},
                     {"Blockers", toJson(check.blockers)},
                     {"Steps", check.steps}});
}

std::string jobsJson(const std::string& target, const std::vector<JobEnd>& ends,
                     const std::vector<std::string>& errors) {
    Json jobs = Json::array();
    for (std::size_t i = 0; i < ends.size(); ++i) {
        Json job = toJson(ends[i].job);
        job["Result"] = ends[i].result;
        job["Error"] = i < errors.size() ? errors[i] : std::string();
        jobs.push_back(std::move(job));
    }
    return dumpLine({{"Target", target}, {"Jobs", jobs}});
}

std::string errorJson(std::string_view name, std::string_view message) {
    return dumpLine({{"Error", {{"Name", name}, {"Message", message}}}});
}

std::string dumpLine(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace vfiobind::ctl
