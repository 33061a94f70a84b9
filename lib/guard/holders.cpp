// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/holders.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace vfiobind {

std::string groupNode(const Sysfs& sysfs, unsigned group) {
    for (const auto* form : {"/dev/vfio/{}", "/dev/vfio/noiommu-{}"})
        if (auto path = fmt::format(fmt::runtime(form), group); sysfs.exists(path))
            return path;
    return {};
}

std::string vfioDeviceNode(const Sysfs& sysfs, const Address& device) {
    if (!sysfs.exists("/dev/vfio/devices"))
        return {}; // before Linux 6.6, or without CONFIG_VFIO_DEVICE_CDEV
    const auto names = sysfs.list(fmt::format("/sys/bus/pci/devices/{}/vfio-dev", device.str()));
    if (!names || names->empty())
        return {};
    auto path = "/dev/vfio/devices/" + names->front();
    return sysfs.exists(path) ? path : std::string{};
}

Openers vfioOpeners(const Sysfs& sysfs, const Topology& topology, unsigned group, Programs& programs) {
    std::set<std::string> nodes;
    if (auto node = groupNode(sysfs, group); !node.empty())
        nodes.insert(std::move(node));
    for (const auto* device : topology.endpoints(group))
        if (auto node = vfioDeviceNode(sysfs, device->address); !node.empty())
            nodes.insert(std::move(node));
    return programs.openersOf(nodes);
}

std::vector<Holder> holdersAmong(const Openers& openers) {
    std::vector<Holder> found;
    for (const auto& opener : openers.found)
        if (const Holder holder{opener.pid, opener.command}; std::ranges::find(found, holder) == found.end())
            found.push_back(holder);
    return found;
}

std::vector<Holder> holders(const Sysfs& sysfs, const Topology& topology, unsigned group) {
    Programs programs(sysfs);
    return holdersAmong(vfioOpeners(sysfs, topology, group, programs));
}

} // namespace vfiobind
