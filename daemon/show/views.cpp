// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show/views.h"

#include "core.h"
#include "version.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <sstream>

namespace vfiobind {

DeviceView deviceView(const Core& core, const Address& address) {
    const auto* device = core.topology().find(address);
    if (device == nullptr)
        return {};
    return {*device, device->onVfio() ? vfioDeviceNode(core.machine().sysfs(), address) : std::string{}};
}

DeviceDetails deviceDetails(const Core& core, const Address& address) {
    const auto* device = core.topology().find(address);
    if (device == nullptr)
        return {};
    DeviceDetails details{.vendorName = core.names().vendor(device->ids),
                          .deviceName = core.names().device(device->ids),
                          .nativeModules =
                              core.modules().native(device->ids).value_or(std::vector<std::string>{})};
    const auto read = [&](std::string_view file) {
        return core.machine()
            .sysfs()
            .read(device->sysfsPath() + '/' + std::string(file), 256)
            .value_or(std::string{});
    };
    details.bootVga = read("boot_vga") == "1";
    std::istringstream methods(read("reset_method"));
    for (std::string method; methods >> method;)
        details.resetMethods.push_back(method);
    const auto node = read("numa_node");
    std::from_chars(node.data(), node.data() + node.size(), details.numaNode);
    return details;
}

std::string groupType(const Core& core, unsigned group) {
    return core.machine()
        .sysfs()
        .read(fmt::format("/sys/kernel/iommu_groups/{}/type", group), 64)
        .value_or(std::string{});
}

GroupView groupView(const Core& core, unsigned group) {
    GroupView view{.number = group};
    const auto* found = core.topology().findGroup(group);
    if (found == nullptr)
        return view;
    view.state = core.groupState(group);
    view.devices.assign(found->members.begin(), found->members.end());
    view.viable = std::ranges::all_of(view.devices, [&](const Address& address) {
        return keepsGroupViable(*core.topology().find(address));
    });
    view.node = groupNode(core.machine().sysfs(), group);
    const auto& intent = core.intent();
    if (const auto wanted = intent.wanted(group))
        view.rule = wanted->rule;
    else if (const auto* owned = intent.owned(group))
        view.rule = owned->rule;
    for (const auto* device : core.topology().endpoints(group))
        if (device->onVfio() || view.state == "bound")
            view.driver = device->driver;
    if (const auto* known = core.group(group)) {
        if (view.state != "bound")
            view.blockers = known->memory().blockers;
        view.holders = known->memory().holders;
        view.lastError = known->memory().lastError;
    }
    for (const auto* lease : core.intent().leases().leasesOn(group))
        view.leases.push_back({lease->uid, lease->sinceUsec});
    if (const auto* job = core.jobOf(group))
        view.job = job->id;
    return view;
}

ManagerView managerView(const Core& core) {
    const auto& sysfs = core.machine().sysfs();
    const auto& policy = core.intent().policy();
    ManagerView view{.version = VFIO_BIND_VERSION,
                     .iommu = iommuKind(sysfs),
                     .configFiles = policy.files,
                     .absentFiles = policy.unmatched,
                     .configError = core.intent().configError(),
                     .warnings = core.warnings()};
    const auto noIommu = sysfs.read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", 8);
    view.noIommu = noIommu && *noIommu == "Y";
    for (const auto& rule : policy.rules) {
        ManagerView::RuleView shown{rule.name, rule.driver, {}, rule.when == When::asked};
        for (const auto& selector : rule.devices)
            shown.selectors.push_back(selector.str());
        view.rules.push_back(std::move(shown));
    }
    view.jobs = jobIds(core);
    return view;
}

std::vector<std::uint32_t> jobIds(const Core& core) {
    std::vector<std::uint32_t> ids;
    for (const auto* job : core.jobs())
        ids.push_back(job->id);
    return ids;
}

} // namespace vfiobind
