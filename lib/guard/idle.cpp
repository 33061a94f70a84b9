// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/idle.h"

#include "guard/look.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <set>

namespace vfiobind {
namespace {

/// Whether nothing counts for the module but the modules that use it.
bool isOnlyHeldByModules(const Sysfs& sysfs, const std::string& module) {
    const auto folder = "/sys/module/" + module;
    const auto count = sysfs.read(folder + "/refcnt", 16);
    if (!count || *count == "0")
        return count.has_value();
    // Twice, since one that has gone in between would make room for a disk that is open.
    const auto before = sysfs.list(folder + "/holders");
    const auto counted = sysfs.read(folder + "/refcnt", 16);
    const auto after = sysfs.list(folder + "/holders");
    return before && after && *before == *after && counted && *counted == std::to_string(before->size());
}

/// The modules whose disks, and those whose screens count for them.
constexpr std::array<std::string_view, 5> disksCount{"ahci", "nvme", "uas", "usb_storage", "virtio_scsi"};
constexpr std::array<std::string_view, 10> screensCount{"amdgpu",  "ast",     "bochs", "cirrus", "i915",
                                                        "mgag200", "nouveau", "qxl",   "radeon", "xe"};

bool isIdle(const Sysfs& sysfs, const std::string& driver) {
    return std::ranges::find(disksCount, driver) != disksCount.end() && isOnlyHeldByModules(sysfs, driver) &&
           (driver != "nvme" || isOnlyHeldByModules(sysfs, "nvme_core"));
}

/// Of the driver that has the PCI function; empty where it has none, or one that is built in.
std::string moduleOf(const Sysfs& sysfs, const Address& device) {
    const auto link = sysfs.link(fmt::format("/sys/bus/pci/devices/{}/driver/module", device.str()));
    return link ? std::string(baseName(*link)) : std::string{};
}

std::string withoutLast(std::string_view path) {
    return std::string(path.substr(0, path.rfind('/')));
}

/// The device whose driver made the disk: the PCI function, the parent of the SCSI host (`host0`), or that of
/// the ATA port (`ata1`) that this hangs on. Empty where the disk is of neither kind.
std::string driversDevice(const std::string& place) {
    const auto from = place.find("devices/");
    if (from == std::string::npos)
        return {};
    const auto path = "/sys/" + place.substr(from);
    if (const auto at = path.find("/nvme/nvme"); at != std::string::npos)
        return path.substr(0, at);
    for (auto at = path.find("/host"); at != std::string::npos; at = path.find("/host", at + 1)) {
        const auto number = at + 5;
        if (number >= path.size() || std::isdigit(static_cast<unsigned char>(path[number])) == 0)
            continue;
        const auto parent = path.substr(0, at);
        return baseName(parent).starts_with("ata") ? withoutLast(parent) : parent;
    }
    return {};
}

} // namespace

bool noDiskIsOpen(const Sysfs& sysfs, const Address& device) {
    const auto disks = classEntriesBelow(sysfs, "block", device);
    if (!disks || disks->empty())
        return false;
    std::set<std::string> devices;
    for (const auto& disk : *disks)
        devices.insert(driversDevice(disk.place));
    return std::ranges::all_of(devices, [&](const std::string& one) {
        const auto module = sysfs.link(one + "/driver/module"); // there is none of ""
        return module && isIdle(sysfs, std::string(baseName(*module)));
    });
}

bool noScreenIsOpen(const Sysfs& sysfs, const Address& device, std::string_view classDirectory) {
    const auto entries = classEntriesBelow(sysfs, classDirectory, device);
    const auto own = fmt::format("/{}/{}/", device.str(), classDirectory);
    if (!entries || entries->empty() ||
        !std::ranges::all_of(*entries, [&](const ClassEntry& entry) { return entry.place.contains(own); }))
        return false;
    const auto module = moduleOf(sysfs, device);
    if (std::ranges::find(screensCount, module) == screensCount.end())
        return false;
    // No module may use it, either: it can show nodes of its own.
    const auto count = sysfs.read(fmt::format("/sys/module/{}/refcnt", module), 16);
    return count && *count == "0";
}

bool noNodeIsOpen(const Sysfs& sysfs, const Address& device, std::string_view kind) {
    if (kind == "drm" || kind == "graphics")
        return noScreenIsOpen(sysfs, device, kind);
    if (kind == "nvme" || kind == "nvme-generic") // also of a controller that has no disk
        return moduleOf(sysfs, device) == "nvme" && isIdle(sysfs, "nvme");
    return kind == "ptp" && isOnlyHeldByModules(sysfs, "ptp");
}

bool noVfioNodeIsOpen(const Sysfs& sysfs) {
    return isOnlyHeldByModules(sysfs, "vfio");
}

} // namespace vfiobind
