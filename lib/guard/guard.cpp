// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/guard.h"

#include "guard/display.h"
#include "guard/in_use.h"
#include "guard/keyboard.h"
#include "guard/look.h"
#include "guard/mediated.h"
#include "guard/network.h"
#include "guard/root_disk.h"
#include "guard/storage.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <set>
#include <sstream>

namespace vfiobind {
namespace {

/// Intel QuickAssist devices that vfio-pci refuses (drivers/vfio/pci/vfio_pci.c, vfio_pci_dev_in_denylist).
constexpr std::array<std::uint16_t, 6> denylistedIntel{0x19e2, 0x19e3, 0x37c8, 0x37c9, 0x0435, 0x0443};

void checkDenylist(Blockers& found, const Sysfs& sysfs, const Device& device) {
    constexpr std::uint16_t intel = 0x8086;
    if (device.ids.vendor != intel ||
        std::ranges::find(denylistedIntel, device.ids.device) == denylistedIntel.end())
        return;
    const auto off = sysfs.read("/sys/module/vfio_pci/parameters/disable_denylist", 8);
    if (off && *off == "Y")
        return;
    found.push_back(
        {"denylisted", device.address,
         fmt::format("{} ({}) is on vfio-pci's denylist of devices that are not safe to hand over; the "
                     "kernel would refuse it unless vfio-pci is loaded with disable_denylist=1",
                     device.address.str(), device.ids.str())});
}

void checkAccessible(Blockers& found, const Sysfs& sysfs, const Device& device) {
    // The ids alone do not tell: a VF's read all ones (PCI Express SR-IOV, 3.4.1.1).
    constexpr std::size_t enough = 16;
    const auto config = sysfs.read(device.sysfsPath() + "/config", enough);
    if (!config && !isGone(config.error()))
        found.push_back(cannotTell("inaccessible", device.address,
                                   fmt::format("{} answers", device.address.str()), config.error()));
    const bool dead = config && config->size() == enough &&
                      std::ranges::all_of(*config, [](char c) { return c == '\xff'; });
    const auto power = sysfs.read(device.sysfsPath() + "/power_state", 16);
    const bool cold = power && *power == "D3cold";
    if (!dead && !cold)
        return;
    found.push_back(
        {"inaccessible", device.address,
         fmt::format("{} does not answer ({}); it is broken or cut off from power, and the host may need a "
                     "cold restart",
                     device.address.str(), dead ? "its config space reads all ones" : "it is in D3cold")});
}

/// Lines of `0x... 0x... type`; only `direct` forbids, `direct-relaxable` and `msi` do not
/// (Documentation/ABI/testing/sysfs-kernel-iommu_groups).
void checkReservedRegions(Blockers& found, const Sysfs& sysfs, unsigned group) {
    const auto text = sysfs.read(fmt::format("/sys/kernel/iommu_groups/{}/reserved_regions", group));
    if (!text) {
        if (!isGone(text.error())) // a no-IOMMU group has none
            found.push_back(
                {"direct-reserved-region",
                 {},
                 fmt::format("whether the firmware keeps memory of group {} mapped cannot be told: {}", group,
                             text.error().str()),
                 false});
        return;
    }
    std::istringstream lines(*text);
    std::string start;
    std::string end;
    std::string type;
    while (lines >> start >> end >> type)
        if (type == "direct")
            found.push_back(
                {"direct-reserved-region",
                 {},
                 fmt::format("the firmware keeps the memory {}-{} mapped for group {} (RMRR), so the kernel "
                             "will not let a VM have it; look for a firmware setting that frees it",
                             start, end, group)});
}

/// The kernel calls one VGA that is from before there were classes, too (pci_is_vga() in
/// include/linux/pci.h).
bool mayBeVga(const Device& device) {
    constexpr std::uint16_t vgaBeforeClasses = 0x0001;
    return device.ids.baseClass() == pciclass::display || device.ids.classId() == vgaBeforeClasses;
}

void append(Blockers& all, Blockers more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void checkUsers(Blockers& found, const Sysfs& sysfs, const std::vector<const Device*>& endpoints,
                Programs& programs) {
    std::vector<std::vector<DeviceNode>> nodes;
    std::set<DeviceNumber> all;
    for (const auto* device : endpoints) {
        auto own = usableNodes(sysfs, device->address);
        if (!own)
            found.push_back(
                cannotTell("in-use", device->address, device->address.str() + " is in use", own.error()));
        nodes.push_back(std::move(own).value_or(std::vector<DeviceNode>{}));
        for (const auto& node : nodes.back())
            all.insert(node.number);
        // Whoever sits at a terminal matters where the device shows one.
        if (mayShowTerminals(sysfs, device->address))
            all.merge(terminalNodes(sysfs));
    }
    const auto openers = programs.openersOf(all);
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        const auto& address = endpoints[i]->address;
        if (endpoints[i]->ids.baseClass() == pciclass::display)
            append(found, bootDisplayBlockers(sysfs, address));
        append(found, consoleBlockers(sysfs, address, openers));
        auto used = inUseBlockers(sysfs, address, nodes[i], openers);
        const bool sounds =
            std::ranges::any_of(used, [](const Blocker& b) { return b.code == "sound-in-use"; });
        append(found, std::move(used));
        append(found, pictureBlockers(sysfs, address));
        if (!sounds)
            append(found, streamBlockers(sysfs, address, nodes[i]));
    }
}

void checkHeld(Inspection& result, const Sysfs& sysfs, const Topology& topology, unsigned group,
               Programs& programs) {
    const auto openers = vfioOpeners(sysfs, topology, group, programs);
    result.holders = holdersAmong(openers);
    if (!openers.found.empty())
        result.blockers.push_back(
            {.code = "held-by-vm",
             .device = {},
             .sentence = fmt::format("group {} is in use by {}; end it first", group, named(openers.found)),
             .details = detailsOf(openers.found)});
    else if (!openers.unreadable.empty())
        result.blockers.push_back({"held-by-vm",
                                   {},
                                   fmt::format("whether group {} is in use cannot be told: {}", group,
                                               openers.unreadable.front().str()),
                                   false});
}

} // namespace

Inspection inspect(const Sysfs& sysfs, const Topology& topology, unsigned group, Action action) {
    HostLook host(sysfs);
    return inspect(host, topology, group, action);
}

Inspection inspect(HostLook& host, const Topology& topology, unsigned group, Action action) {
    Inspection result;
    const auto& sysfs = host.files();
    auto& programs = host.programs();
    const auto endpoints = topology.endpoints(group);
    checkHeld(result, sysfs, topology, group, programs);
    if (action == Action::release)
        return result;
    std::vector<const Device*> withUsers;
    std::vector<Address> addresses;
    bool mayHaveKeyboards = false;
    for (const auto* device : endpoints) {
        // Before the folders are looked at: a driver that comes in between shows its disks to one of both.
        auto unseenRoot = unseenRootBlockers(sysfs, topology, *device, programs);
        const auto below = whatIsBelow(sysfs, device->address);
        checkDenylist(result.blockers, sysfs, *device);
        checkAccessible(result.blockers, sysfs, *device);
        if (below.disks)
            append(result.blockers, storageBlockers(sysfs, device->address, programs));
        append(result.blockers, std::move(unseenRoot));
        if (below.networks)
            append(result.blockers, networkBlockers(sysfs, device->address));
        // A display shows the console also without a driver, and NVIDIA's has no folder.
        if (below.nodes || mayBeVga(*device))
            withUsers.push_back(device);
        if (below.others)
            append(result.blockers, mediatedBlockers(sysfs, device->address, programs));
        mayHaveKeyboards = mayHaveKeyboards || below.others;
        addresses.push_back(device->address);
    }
    checkUsers(result.blockers, sysfs, withUsers, programs);
    if (mayHaveKeyboards)
        append(result.blockers, keyboardBlockers(sysfs, addresses));
    checkReservedRegions(result.blockers, sysfs, group);
    return result;
}

} // namespace vfiobind
