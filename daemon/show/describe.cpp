// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show/describe.h"

#include "core.h"
#include "show/views.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <ranges>

namespace vfiobind {
namespace {

using nlohmann::json;

json strings(const auto& addresses) {
    auto list = json::array();
    for (const auto& address : addresses)
        list.push_back(address.str());
    return list;
}

json toJson(const JobView& job) {
    auto steps = json::array();
    for (const auto& [step, result] : job.steps)
        steps.push_back({{"step", step}, {"result", result}});
    return {{"id", job.id},       {"kind", job.kind}, {"group", job.group},
            {"state", job.state}, {"steps", steps},   {"started-usec", job.startedUsec}};
}

json leasesJson(const Core& core, unsigned group, uid_t uid) {
    auto list = json::array();
    for (const auto* lease : core.intent().leases().leasesOn(group)) {
        list.push_back({{"uid", lease->uid}, {"since-usec", lease->sinceUsec}});
        if (uid == 0 || uid == lease->uid)
            list.back()["what"] = lease->what;
    }
    return list;
}

json toJson(const GroupView& group, const std::string& type, json leases, uid_t uid) {
    auto blockers = json::array();
    for (const auto& b : forReader(group.blockers, uid))
        blockers.push_back(
            {{"code", b.code}, {"device", b.device ? b.device->str() : ""}, {"sentence", b.sentence}});
    auto holders = json::array();
    for (const auto& holder : group.holders)
        holders.push_back({{"pid", holder.pid},
                           {"command", uid == 0 || uid == holder.uid ? holder.command : holder.program}});
    return {{"number", group.number},
            {"state", group.state},
            {"viable", group.viable},
            {"devices", strings(group.devices)},
            {"rule", group.rule},
            {"driver", group.driver},
            {"node", group.node},
            {"type", type},
            {"blockers", blockers},
            {"holders", holders},
            {"leases", std::move(leases)},
            {"last-error", group.lastError},
            {"job", group.job}};
}

json toJson(const DeviceView& view, const DeviceDetails& details) {
    const auto& d = view.device;
    return {{"address", d.address.str()},
            {"vendor", fmt::format("{:04x}", d.ids.vendor)},
            {"device", fmt::format("{:04x}", d.ids.device)},
            {"subsystem-vendor", fmt::format("{:04x}", d.ids.subsystemVendor)},
            {"subsystem-device", fmt::format("{:04x}", d.ids.subsystemDevice)},
            {"class", fmt::format("{:06x}", d.ids.classCode)},
            {"vendor-name", details.vendorName},
            {"device-name", details.deviceName},
            {"driver", d.driver},
            {"driver-override", d.driverOverride.value},
            {"native-modules", details.nativeModules},
            {"group", d.group ? json(*d.group) : json(nullptr)},
            {"bridge", d.bridge},
            {"boot-vga", details.bootVga},
            {"reset-methods", details.resetMethods},
            {"numa-node", details.numaNode},
            {"path", d.path},
            {"serial", d.serial},
            {"vfio-device", view.vfioDevice},
            {"physical-function", d.physicalFunction ? json(d.physicalFunction->str()) : json(nullptr)},
            {"virtual-functions", strings(d.virtualFunctions)}};
}

json absentJson(const ManagerView& manager) {
    auto files = json::array();
    for (const auto& [file, why] : manager.absentFiles)
        files.push_back({{"file", file}, {"why", why}});
    return files;
}

json rulesJson(const Core& core, const ManagerView& manager) {
    auto rules = json::array();
    for (const auto& rule : manager.rules) {
        const auto& matched = core.intent().resolution().devicesOfRules;
        const auto found = matched.find(rule.name);
        rules.push_back({{"name", rule.name},
                         {"driver", rule.driver},
                         {"devices", rule.selectors},
                         {"when", rule.asked ? "asked" : "always"},
                         {"matches", found == matched.end() ? json::array() : strings(found->second)}});
    }
    return rules;
}

} // namespace

std::string describe(const Core& core, uid_t uid) {
    const auto manager = managerView(core);
    json document{{"version", manager.version},
                  {"iommu", manager.iommu},
                  {"no-iommu", manager.noIommu},
                  {"config-files", manager.configFiles},
                  {"absent-files", absentJson(manager)},
                  {"config-error", manager.configError},
                  {"warnings", manager.warnings},
                  {"rules", rulesJson(core, manager)},
                  {"groups", json::array()},
                  {"devices", json::array()},
                  {"jobs", json::array()}};
    for (const auto number : core.topology().groups() | std::views::keys)
        document["groups"].push_back(
            toJson(groupView(core, number), groupType(core, number), leasesJson(core, number, uid), uid));
    for (const auto& address : core.topology().devices() | std::views::keys)
        document["devices"].push_back(toJson(deviceView(core, address), deviceDetails(core, address)));
    for (const auto& job : core.jobs())
        document["jobs"].push_back(toJson(job));
    return document.dump(1, ' ', false, json::error_handler_t::replace);
}

} // namespace vfiobind
