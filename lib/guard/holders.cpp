// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/holders.h"

#include "guard/idle.h"
#include "guard/look.h"

#include <algorithm>
#include <cerrno>
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

SysResult<std::optional<DeviceNumber>> vfioGroupNumber(const Sysfs& sysfs, const std::string& group) {
    const auto path = fmt::format("/sys/class/vfio/{}/dev", group);
    const auto text = readIfThere(sysfs, path, 32);
    if (!text)
        return std::unexpected(text.error());
    const auto number = parseDeviceNumber(*text, false);
    if (!number && !text->empty())
        return std::unexpected(SysError{"understand", path, EBADMSG});
    return number;
}

SysResult<std::set<DeviceNumber>> vfioDeviceNumbers(const Sysfs& sysfs, const std::string& folder) {
    std::set<DeviceNumber> numbers;
    const auto names = listIfThere(sysfs, folder + "/vfio-dev");
    if (!names)
        return std::unexpected(names.error());
    for (const auto& name : *names) {
        const auto path = fmt::format("{}/vfio-dev/{}/dev", folder, name);
        const auto text = readIfThere(sysfs, path, 32);
        if (!text)
            return std::unexpected(text.error());
        if (const auto number = parseDeviceNumber(*text, false))
            numbers.insert(*number);
    }
    return numbers;
}

Openers vfioOpeners(const Sysfs& sysfs, const Topology& topology, unsigned group, Programs& programs) {
    if (noVfioNodeIsOpen(sysfs))
        return {};
    std::set<DeviceNumber> nodes;
    std::vector<SysError> unreadable;
    for (const auto& name : {std::to_string(group), fmt::format("noiommu-{}", group)}) {
        const auto number = vfioGroupNumber(sysfs, name);
        if (!number)
            unreadable.push_back(number.error());
        else if (*number)
            nodes.insert(**number);
    }
    for (const auto* device : topology.endpoints(group)) {
        const auto own = vfioDeviceNumbers(sysfs, device->sysfsPath());
        if (own)
            nodes.insert(own->begin(), own->end());
        else
            unreadable.push_back(own.error());
    }
    auto openers = programs.openersOf(nodes);
    openers.unreadable.insert(openers.unreadable.end(), unreadable.begin(), unreadable.end());
    return openers;
}

std::vector<Holder> holdersAmong(const Openers& openers) {
    std::vector<Holder> found;
    for (const auto& opener : openers.found)
        if (const Holder holder{opener.pid, opener.uid, opener.program, opener.command};
            std::ranges::find(found, holder) == found.end())
            found.push_back(holder);
    return found;
}

std::vector<Holder> holders(const Sysfs& sysfs, const Topology& topology, unsigned group) {
    Programs programs(sysfs);
    return holdersAmong(vfioOpeners(sysfs, topology, group, programs));
}

} // namespace vfiobind
