// SPDX-License-Identifier: LGPL-2.1-or-later
// What the daemon shows of devices and groups.
#include "core.h"
#include "version.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <sstream>

namespace vfiobind {

Changes Core::takeChanges() {
    bool moved = std::exchange(wantedMoved_, false);
    for (const auto group : changes_.groups)
        moved |= countState(group) && resolution_.groups.contains(group);
    revision_ += moved ? 1 : 0;
    return std::exchange(changes_, {});
}

/// Gives back whether it is another than it was when it was counted last.
bool Core::countState(unsigned group) {
    const auto now = topology_.findGroup(group) != nullptr ? groupState(group) : std::string("native");
    const auto counted = states_.find(group);
    if (now == (counted != states_.end() ? counted->second : "native"))
        return false;
    if (counted != states_.end()) {
        if (const auto count = stateCounts_.find(counted->second); --count->second == 0)
            stateCounts_.erase(count);
        states_.erase(counted);
    }
    if (now != "native") {
        ++stateCounts_[now];
        states_.emplace(group, now);
    }
    return true;
}

DeviceView Core::deviceView(const Address& address) const {
    const auto* device = topology_.find(address);
    if (device == nullptr)
        return {};
    return {*device, isVfioDriver(device->driver) ? vfioDeviceNode(sysfs_, address) : std::string{}};
}

DeviceDetails Core::deviceDetails(const Address& address) {
    const auto* device = topology_.find(address);
    if (device == nullptr)
        return {};
    DeviceDetails details{.vendorName = names_.vendor(device->ids),
                          .deviceName = names_.device(device->ids),
                          .nativeModules = modules_.native(device->ids).value_or(std::vector<std::string>{})};
    const auto read = [&](std::string_view file) {
        return sysfs_.read(device->sysfsPath() + '/' + std::string(file), 256).value_or(std::string{});
    };
    details.bootVga = read("boot_vga") == "1";
    std::istringstream methods(read("reset_method"));
    for (std::string method; methods >> method;)
        details.resetMethods.push_back(method);
    const auto node = read("numa_node");
    std::from_chars(node.data(), node.data() + node.size(), details.numaNode);
    return details;
}

std::string Core::groupType(unsigned group) const {
    return sysfs_.read(fmt::format("/sys/kernel/iommu_groups/{}/type", group), 64).value_or(std::string{});
}

GroupView Core::groupView(unsigned group) const {
    GroupView view{.number = group};
    const auto* found = topology_.findGroup(group);
    if (found == nullptr)
        return view;
    view.state = groupState(group);
    view.devices.assign(found->members.begin(), found->members.end());
    view.viable = std::ranges::all_of(view.devices, [&](const Address& address) {
        return keepsGroupViable(topology_.find(address)->driver);
    });
    view.node = groupNode(sysfs_, group);
    if (const auto wanted = wantedFor(group))
        view.rule = wanted->rule;
    else if (const auto* entry = ledger_.find(group); entry != nullptr && entry->owned)
        view.rule = entry->owned->rule;
    for (const auto* device : topology_.endpoints(group))
        if (isVfioDriver(device->driver) || view.state == "bound")
            view.driver = device->driver;
    if (const auto record = records_.find(group); record != records_.end()) {
        if (view.state != "bound")
            view.blockers = record->second.blockers;
        view.holders = record->second.holders;
        view.lastError = record->second.lastError;
    }
    if (const auto* job = jobOf(group))
        view.job = job->id;
    return view;
}

ManagerView Core::managerView() const {
    ManagerView view{.version = VFIO_BIND_VERSION,
                     .iommu = iommuKind(sysfs_),
                     .configFiles = policy_.files,
                     .configError = configError_,
                     .warnings = warnings_};
    const auto noIommu = sysfs_.read("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", 8);
    view.noIommu = noIommu && *noIommu == "Y";
    for (const auto& rule : policy_.rules) {
        ManagerView::RuleView shown{rule.name, rule.driver, {}};
        for (const auto& selector : rule.devices)
            shown.selectors.push_back(selector.str());
        view.rules.push_back(std::move(shown));
    }
    view.jobs = jobIds();
    return view;
}

} // namespace vfiobind
