// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/look.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {

bool isGone(const SysError& error) {
    return error.code == ENOENT || error.code == ENODEV || error.code == ENXIO || error.code == ESRCH;
}

Blocker cannotTell(std::string code, const Address& device, std::string_view question,
                   const SysError& error) {
    return {std::move(code), device, fmt::format("whether {} cannot be told: {}", question, error.str()),
            false};
}

bool isBelow(std::string_view place, const Address& device) {
    return place.find('/' + device.str() + '/') != std::string_view::npos;
}

Below whatIsBelow(const Sysfs& sysfs, const Address& device) {
    const auto folders = sysfs.folders("/sys/bus/pci/devices/" + device.str());
    if (!folders)
        return {};
    // Of the PCI core (drivers/pci/pci-sysfs.c, drivers/pci/msi/msi.c, drivers/base/power), and a class that
    // has no nodes. VFIO's own are asked for by themselves.
    constexpr std::array<std::string_view, 6> empty{"hwmon", "link",     "msi_irqs",
                                                    "power", "vfio-dev", "wakeup"};
    Below below{false, false, false, false};
    for (const auto& name : *folders) {
        const bool disks = name == "nvme";
        const bool network = name == "net";
        const bool nodes = disks || name == "drm" || name == "graphics" || name == "ptp";
        if (!network && !nodes && std::ranges::find(empty, name) == empty.end())
            return {};
        // FCoE's SCSI hosts are below the interface (fcoe_ctlr_device_add() in drivers/scsi/fcoe).
        const bool fcoe = network && sysfs.exists("/sys/bus/fcoe");
        below.disks = below.disks || disks || fcoe;
        below.networks = below.networks || network;
        below.nodes = below.nodes || nodes || fcoe;
    }
    return below;
}

SysResult<std::string> readIfThere(const Sysfs& sysfs, const std::string& path, std::size_t limit) {
    auto text = sysfs.read(path, limit);
    if (!text && isGone(text.error()))
        return std::string{};
    return text;
}

SysResult<std::vector<std::string>> listIfThere(const Sysfs& sysfs, const std::string& path) {
    auto names = sysfs.list(path);
    if (!names && isGone(names.error()))
        return std::vector<std::string>{};
    return names;
}

SysResult<std::vector<ClassEntry>> classEntriesBelow(const Sysfs& sysfs, std::string_view classDirectory,
                                                     const Address& device) {
    const auto directory = fmt::format("/sys/class/{}", classDirectory);
    auto links = sysfs.links(directory); // beside them are files: /sys/class/drm/version
    if (!links && isGone(links.error()))
        return std::vector<ClassEntry>{};
    if (!links)
        return std::unexpected(links.error());
    std::vector<ClassEntry> found;
    for (auto& [name, place] : *links)
        if (isBelow(place, device))
            found.push_back({std::move(name), std::move(place)});
    return found;
}

} // namespace vfiobind
