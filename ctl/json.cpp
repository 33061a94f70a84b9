// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json.h"

#include "pci/object_name.h"
#include "pci/text.h"
#include "view/view_json.h"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>

namespace vfiobind::ctl {

namespace {

using Json = nlohmann::ordered_json;

/// The number at the end of `/org/vfiobind1/group/22`; nothing for "/".
std::optional<std::uint32_t> numberOfPath(std::string_view path) {
    const std::string_view digits = path.substr(path.rfind('/') + 1);
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size())
        return std::nullopt;
    return number;
}

Address addressOf(const std::string& text) {
    const auto address = Address::parse(text);
    if (!address)
        throw std::runtime_error("the daemon named a device that cannot be: " + address.error());
    return *address;
}

std::optional<Address> addressIfAny(const std::string& path) {
    return path.empty() || path == "/" ? std::nullopt : std::optional(addressOfPath(path));
}

std::vector<Address> addressesOf(const std::vector<std::string>& paths) {
    std::vector<Address> result;
    for (const std::string& path : paths)
        result.push_back(addressOfPath(path));
    return result;
}

Blockers blockersOf(const std::vector<BlockerState>& states) {
    Blockers result;
    for (const BlockerState& state : states)
        result.push_back(
            {.code = state.code,
             .device = state.device.empty() ? std::nullopt : std::optional(addressOf(state.device)),
             .sentence = state.sentence});
    return result;
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

std::string notADescription(const std::string& why) {
    return fmt::format("the daemon's description of its state cannot be read: {}", why);
}

/// The document of Describe, if it is one.
std::expected<Json, std::string> readDescription(const std::string& document) {
    try {
        Json state = Json::parse(document);
        for (const char* list : {"rules", "groups", "devices", "jobs"})
            if (!state.at(list).is_array())
                return std::unexpected(notADescription(std::string(list) + " is no list"));
        return state;
    } catch (const Json::exception& error) {
        return std::unexpected(notADescription(error.what()));
    }
}

/// As the daemon writes it.
std::string dumpDescription(const Json& document) {
    return document.dump(1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

Address addressOfPath(std::string_view path) {
    constexpr std::string_view prefix = "/org/vfiobind1/device/";
    const auto address = path.starts_with(prefix) ? addressNamed(path.substr(prefix.size())) : std::nullopt;
    if (!address)
        throw std::runtime_error("the daemon named a device that cannot be: " + printable(path));
    return *address;
}

Json toJson(const ManagerState& manager) {
    ManagerView view{.version = manager.version,
                     .iommu = manager.iommu,
                     .noIommu = manager.noIommu,
                     .configFiles = manager.configFiles,
                     .configError = manager.configError,
                     .warnings = manager.warnings};
    for (const RuleState& rule : manager.rules)
        view.rules.push_back({.name = rule.name, .driver = rule.driver, .selectors = rule.selectors});
    for (const auto& [file, why] : manager.absentFiles)
        view.absentFiles.push_back({file, why});
    return jsonOf(view);
}

Json toJson(const GroupState& group) {
    GroupView view{.number = group.number,
                   .state = group.state,
                   .viable = group.viable,
                   .devices = addressesOf(group.devices),
                   .rule = group.rule,
                   .driver = group.driver,
                   .node = group.node,
                   .blockers = blockersOf(group.blockers),
                   .lastError = group.lastError,
                   .job = numberOfPath(group.job).value_or(0)};
    for (const HolderState& holder : group.holders)
        view.holders.push_back({.pid = holder.pid, .program = holder.command, .command = holder.command});
    for (const LeaseState& lease : group.leases)
        view.leases.push_back({lease.uid, lease.since, std::nullopt});
    return jsonOf(view, group.type);
}

Json toJson(const DeviceState& state) {
    Device device{
        .address = addressOf(state.address),
        .ids = {state.vendor, state.device, state.subsystemVendor, state.subsystemDevice, state.classCode},
        .driver = state.driver,
        .group = numberOfPath(state.group),
        .path = state.path,
        .physicalFunction = addressIfAny(state.physicalFunction),
        .virtualFunctions = addressesOf(state.virtualFunctions),
        .driverOverride = {.known = true, .value = state.driverOverride},
        .serial = state.serial};
    Json json = jsonOf(DeviceView{std::move(device), state.vfioDevice}, {.vendorName = state.vendorName,
                                                                         .deviceName = state.deviceName,
                                                                         .nativeModules = state.nativeModules,
                                                                         .bootVga = state.bootVga,
                                                                         .resetMethods = state.resetMethods,
                                                                         .numaNode = state.numaNode});
    json.erase("bridge"); // the bus has no header types
    return json;
}

Json toJson(const JobState& job) {
    return jsonOf(JobView{.id = numberOfPath(job.objectPath).value_or(0),
                          .kind = job.kind,
                          .group = numberOfPath(job.group).value_or(0),
                          .state = job.state,
                          .steps = job.steps,
                          .startedUsec = job.started});
}

std::expected<std::string, std::string> statusJson(const std::string& document) {
    const auto state = readDescription(document);
    if (!state)
        return std::unexpected(state.error());
    return dumpDescription(*state);
}

std::expected<std::string, std::string> showJson(const std::string& document, const Resolved& resolved) {
    const auto state = readDescription(document);
    if (!state)
        return std::unexpected(state.error());
    std::set<unsigned> groups;
    std::set<std::string> devices;
    for (const std::string& path : resolved.groups)
        if (const auto number = numberOfPath(path))
            groups.insert(*number);
    for (const std::string& path : resolved.devices)
        devices.insert(addressOfPath(path).str());
    try {
        const Json touched = select(*state, "groups", "number", groups);
        for (const Json& group : touched)
            for (const Json& member : group.at("devices"))
                devices.insert(member.get<std::string>());
        return dumpDescription({{"groups", touched},
                                {"devices", select(*state, "devices", "address", devices)},
                                {"jobs", select(*state, "jobs", "group", groups)}});
    } catch (const Json::exception& error) {
        return std::unexpected(notADescription(error.what()));
    }
}

std::string checkJson(const std::string& target, const CheckResult& check) {
    return dumpLine({{"target", target},
                     {"possible", check.possible},
                     {"blockers", jsonOf(blockersOf(check.blockers))},
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
