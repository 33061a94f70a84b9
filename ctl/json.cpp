// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json.h"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace vfiobind::ctl {

namespace {

using Json = nlohmann::ordered_json;

Json blockersJson(const std::vector<BlockerState>& blockers) {
    Json result = Json::array();
    for (const BlockerState& blocker : blockers)
        result.push_back(
            {{"code", blocker.code}, {"device", blocker.device}, {"sentence", blocker.sentence}});
    return result;
}

/// The number at the end of `/org/vfiobind1/group/22`; null for "/".
Json numberOfPath(std::string_view path) {
    const std::string_view digits = path.substr(path.rfind('/') + 1);
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size())
        return nullptr;
    return number;
}

Json addressesJson(const std::vector<std::string>& paths) {
    Json result = Json::array();
    for (const std::string& path : paths)
        result.push_back(addressOfPath(path));
    return result;
}

std::string hex4(std::uint16_t value) {
    return fmt::format("{:04x}", value);
}

/// The entries of a list of Describe's document whose `key` is one of those wanted.
template <typename Value>
Json select(const Json& document, const char* list, const char* key, const std::set<Value>& wanted) {
    Json result = Json::array();
    for (const Json& entry : document.at(list))
        if (const Json& value = entry.at(key); !value.is_null() && wanted.contains(value.get<Value>()))
            result.push_back(entry);
    return result;
}

} // namespace

std::string addressOfPath(std::string_view path) {
    constexpr std::string_view prefix = "/org/vfiobind1/device/";
    if (!path.starts_with(prefix))
        return {};
    std::string address(path.substr(prefix.size()));
    const std::size_t dot = address.rfind('_');
    if (dot == std::string::npos)
        return {};
    address[dot] = '.';
    for (char& character : address)
        if (character == '_')
            character = ':';
    return address;
}

Json toJson(const ManagerState& manager) {
    Json rules = Json::array();
    for (const RuleState& rule : manager.rules)
        rules.push_back({{"name", rule.name}, {"driver", rule.driver}, {"devices", rule.selectors}});
    Json absent = Json::array();
    for (const auto& [file, why] : manager.absentFiles)
        absent.push_back({{"file", file}, {"why", why}});
    return {{"version", manager.version},   {"iommu", manager.iommu},
            {"no-iommu", manager.noIommu},  {"config-files", manager.configFiles},
            {"absent-files", absent},       {"config-error", manager.configError},
            {"warnings", manager.warnings}, {"rules", rules}};
}

Json toJson(const GroupState& group) {
    const Json job = numberOfPath(group.job);
    Json holders = Json::array();
    for (const HolderState& holder : group.holders)
        holders.push_back({{"pid", holder.pid}, {"command", holder.command}});
    Json leases = Json::array();
    for (const LeaseState& lease : group.leases)
        leases.push_back({{"uid", lease.uid}, {"since-usec", lease.since}});
    return {{"number", group.number},
            {"state", group.state},
            {"viable", group.viable},
            {"devices", addressesJson(group.devices)},
            {"rule", group.rule},
            {"driver", group.driver},
            {"node", group.node},
            {"type", group.type},
            {"blockers", blockersJson(group.blockers)},
            {"holders", holders},
            {"leases", leases},
            {"last-error", group.lastError},
            {"job", job.is_null() ? Json(0) : job}};
}

Json toJson(const DeviceState& device) {
    const std::string function = addressOfPath(device.physicalFunction);
    return {{"address", device.address},
            {"vendor", hex4(device.vendor)},
            {"device", hex4(device.device)},
            {"subsystem-vendor", hex4(device.subsystemVendor)},
            {"subsystem-device", hex4(device.subsystemDevice)},
            {"class", fmt::format("{:06x}", device.classCode)},
            {"vendor-name", device.vendorName},
            {"device-name", device.deviceName},
            {"driver", device.driver},
            {"driver-override", device.driverOverride},
            {"native-modules", device.nativeModules},
            {"group", numberOfPath(device.group)},
            {"boot-vga", device.bootVga},
            {"reset-methods", device.resetMethods},
            {"numa-node", device.numaNode},
            {"path", device.path},
            {"serial", device.serial},
            {"vfio-device", device.vfioDevice},
            {"physical-function", function.empty() ? Json(nullptr) : Json(function)},
            {"virtual-functions", addressesJson(device.virtualFunctions)}};
}

Json toJson(const JobState& job) {
    Json steps = Json::array();
    for (const auto& [step, result] : job.steps)
        steps.push_back({{"step", step}, {"result", result}});
    return {{"id", numberOfPath(job.objectPath)},
            {"kind", job.kind},
            {"group", numberOfPath(job.group)},
            {"state", job.state},
            {"steps", steps},
            {"started-usec", job.started}};
}

std::expected<std::string, std::string> showJson(const std::string& document, const Snapshot& snapshot,
                                                 const Touched& touched) {
    std::set<unsigned> groups;
    std::set<std::string> devices;
    for (const GroupState* group : touched.groups) {
        groups.insert(group->number);
        for (const DeviceState* device : snapshot.members(*group))
            devices.insert(device->address);
    }
    for (const DeviceState* device : touched.groupless)
        devices.insert(device->address);
    try {
        const Json state = Json::parse(document);
        return dumpLine({{"groups", select(state, "groups", "number", groups)},
                         {"devices", select(state, "devices", "address", devices)},
                         {"jobs", select(state, "jobs", "group", groups)}});
    } catch (const Json::exception& error) {
        return std::unexpected(
            fmt::format("the daemon's description of its state cannot be read: {}", error.what()));
    }
}

std::string checkJson(const std::string& target, const CheckResult& check) {
    return dumpLine({{"target", target},
                     {"possible", check.possible},
                     {"blockers", blockersJson(check.blockers)},
                     {"steps", check.steps}});
}

std::string jobsJson(const std::string& target, const std::vector<JobEnd>& ends,
                     const std::vector<std::string>& errors) {
    Json jobs = Json::array();
    for (std::size_t i = 0; i < ends.size(); ++i) {
        Json job = toJson(ends[i].job);
        job["result"] = ends[i].result;
        job["error"] = i < errors.size() ? errors[i] : std::string();
        jobs.push_back(std::move(job));
    }
    return dumpLine({{"target", target}, {"jobs", jobs}});
}

std::string errorJson(std::string_view name, std::string_view message) {
    return dumpLine({{"error", {{"name", name}, {"message", message}}}});
}

std::string dumpLine(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace vfiobind::ctl
