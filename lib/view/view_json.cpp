// SPDX-License-Identifier: LGPL-2.1-or-later
#include "view/view_json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vfiobind {
namespace {

using Json = nlohmann::ordered_json;

Json addressesJson(const auto& addresses) {
    auto list = Json::array();
    for (const auto& address : addresses)
        list.push_back(address.str());
    return list;
}

std::string hex4(std::uint16_t value) {
    return fmt::format("{:04x}", value);
}

Json leasesJson(const std::vector<GroupView::LeaseView>& leases) {
    auto list = Json::array();
    for (const auto& lease : leases) {
        list.push_back({{"uid", lease.uid}, {"since-usec", lease.sinceUsec}});
        if (lease.what)
            list.back()["what"] = *lease.what;
    }
    return list;
}

} // namespace

Json jsonOf(const Blockers& blockers) {
    auto list = Json::array();
    for (const auto& blocker : blockers)
        list.push_back({{"code", blocker.code},
                        {"device", blocker.device ? blocker.device->str() : ""},
                        {"sentence", blocker.sentence}});
    return list;
}

Json jsonOf(const GroupView& group, const std::string& type) {
    auto holders = Json::array();
    for (const auto& holder : group.holders)
        holders.push_back({{"pid", holder.pid}, {"command", holder.command}});
    return {{"number", group.number},
            {"state", group.state},
            {"viable", group.viable},
            {"devices", addressesJson(group.devices)},
            {"rule", group.rule},
            {"driver", group.driver},
            {"node", group.node},
            {"type", type},
            {"blockers", jsonOf(group.blockers)},
            {"holders", std::move(holders)},
            {"leases", leasesJson(group.leases)},
            {"last-error", group.lastError},
            {"job", group.job}};
}

Json jsonOf(const DeviceView& view, const DeviceDetails& details) {
    const auto& d = view.device;
    return {{"address", d.address.str()},
            {"vendor", hex4(d.ids.vendor)},
            {"device", hex4(d.ids.device)},
            {"subsystem-vendor", hex4(d.ids.subsystemVendor)},
            {"subsystem-device", hex4(d.ids.subsystemDevice)},
            {"class", fmt::format("{:06x}", d.ids.classCode)},
            {"vendor-name", details.vendorName},
            {"device-name", details.deviceName},
            {"driver", d.driver},
            {"driver-override", d.driverOverride.value},
            {"native-modules", details.nativeModules},
            {"group", d.group ? Json(*d.group) : Json(nullptr)},
            {"bridge", d.bridge},
            {"boot-vga", details.bootVga},
            {"reset-methods", details.resetMethods},
            {"numa-node", details.numaNode},
            {"path", d.path},
            {"serial", d.serial},
            {"vfio-device", view.vfioDevice},
            {"physical-function", d.physicalFunction ? Json(d.physicalFunction->str()) : Json(nullptr)},
            {"virtual-functions", addressesJson(d.virtualFunctions)}};
}

Json jsonOf(const JobView& job) {
    auto steps = Json::array();
    for (const auto& [step, result] : job.steps)
        steps.push_back({{"step", step}, {"result", result}});
    return {{"id", job.id},       {"kind", job.kind},          {"group", job.group},
            {"state", job.state}, {"steps", std::move(steps)}, {"started-usec", job.startedUsec}};
}

Json jsonOf(const ManagerView& manager) {
    auto rules = Json::array();
    for (const auto& rule : manager.rules) {
        rules.push_back({{"name", rule.name}, {"driver", rule.driver}, {"devices", rule.selectors}});
        if (rule.asked)
            rules.back()["when"] = *rule.asked ? "asked" : "always";
        if (rule.matches)
            rules.back()["matches"] = addressesJson(*rule.matches);
    }
    auto absent = Json::array();
    for (const auto& [file, why] : manager.absentFiles)
        absent.push_back({{"file", file}, {"why", why}});
    return {{"version", manager.version},        {"iommu", manager.iommu},
            {"no-iommu", manager.noIommu},       {"config-files", manager.configFiles},
            {"absent-files", std::move(absent)}, {"config-error", manager.configError},
            {"warnings", manager.warnings},      {"rules", std::move(rules)}};
}

} // namespace vfiobind
