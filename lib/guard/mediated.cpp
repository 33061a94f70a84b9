// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/mediated.h"

#include "guard/holders.h"
#include "guard/look.h"
#include "pci/text.h"

#include <fmt/format.h>
#include <set>

namespace vfiobind {
namespace {

Blocker unknown(const Address& device, const SysError& error) {
    return cannotTell("mediated", device, device.str() + " has mediated devices", error);
}

/// The nodes by which a VM has the mdev open.
SysResult<std::set<DeviceNumber>> vfioNodesOf(const Sysfs& sysfs, const MediatedDevice& mediated) {
    std::set<DeviceNumber> nodes;
    if (const auto group = sysfs.link(mediated.folder + "/iommu_group")) {
        const auto number = vfioGroupNumber(sysfs, std::string(baseName(*group)));
        if (!number)
            return std::unexpected(number.error());
        if (*number)
            nodes.insert(**number);
    } else if (!isNoLink(group.error().code)) {
        return std::unexpected(group.error());
    }
    const auto own = vfioDeviceNumbers(sysfs, mediated.folder);
    if (!own)
        return std::unexpected(own.error());
    nodes.insert(own->begin(), own->end());
    return nodes;
}

/// A virtual function of NVIDIA's driver that is a vGPU of some type
/// (`nvidia/current_vgpu_type`, NVIDIA's vGPU User Guide).
Blockers vendorVgpus(const Sysfs& sysfs, const Address& device) {
    const auto path = fmt::format("/sys/bus/pci/devices/{}/nvidia/current_vgpu_type", device.str());
    const auto type = readIfThere(sysfs, path, 32);
    if (!type)
        return {unknown(device, type.error())};
    if (type->empty() || *type == "0")
        return {};
    return {{"mediated", device,
             fmt::format("{} is a vGPU of type {}; end its VM, then: echo 0 > {}", device.str(),
                         printable(*type), path)}};
}

} // namespace

SysResult<std::vector<MediatedDevice>> mediatedDevices(const Sysfs& sysfs, const Address& device) {
    const std::string directory = "/sys/bus/mdev/devices";
    const auto links = sysfs.links(directory);
    std::vector<MediatedDevice> found;
    if (!links && !isGone(links.error()))
        return std::unexpected(links.error());
    if (links)
        for (const auto& [uuid, place] : *links)
            if (isBelow(place, device))
                found.push_back({uuid, directory + '/' + uuid});
    return found;
}

Blockers mediatedBlockers(const Sysfs& sysfs, const Address& device, Programs& programs) {
    auto blockers = vendorVgpus(sysfs, device);
    const auto devices = mediatedDevices(sysfs, device);
    if (!devices)
        return {unknown(device, devices.error())};
    for (const auto& mediated : *devices) {
        const auto nodes = vfioNodesOf(sysfs, mediated);
        const auto openers = nodes ? programs.openersOf(*nodes) : Openers{};
        const auto users = openers.found.empty() ? "" : ", which is in use by " + named(openers.found);
        blockers.push_back(
            {.code = "mediated",
             .device = device,
             .sentence = fmt::format("{} has the mediated device {}{}; {}remove it first: echo 1 > {}/remove",
                                     device.str(), printable(mediated.uuid), users,
                                     users.empty() ? "" : "end its VM and ", mediated.folder),
             .details = detailsOf(openers.found)});
    }
    return blockers;
}

} // namespace vfiobind
