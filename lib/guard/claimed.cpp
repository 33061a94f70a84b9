// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/claimed.h"

#include "guard/block_stack.h"
#include "guard/device_nodes.h"
#include "guard/idle.h"
#include "guard/look.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <string_view>

namespace vfiobind {
namespace {

constexpr std::array<std::string_view, 4> diskCodes{"mounted", "swap", "storage-member", "usb-storage"};

void ask(Blockers& blockers, const Sysfs& sysfs, const Address& device, const DeviceNode& disk) {
    const auto node = nodeName(sysfs, disk);
    const auto opened = sysfs.openExclusively(node, disk.number);
    const auto* code = onUsb(disk.place) ? "usb-storage" : "storage-member";
    if (opened)
        return;
    if (opened.error().code == EBUSY)
        blockers.push_back(
            {code, device,
             fmt::format("{} holds {}, which the kernel has claimed: it is mounted, part of a "
                         "volume, exported, or a program has it for itself ({}); end that first",
                         device.str(), node, opened.error().str())});
    else if (sysfs.exists("/sys/dev/block/" + disk.number.str())) // it can have gone meanwhile
        blockers.push_back(cannotTell(code, device, node + " is claimed", opened.error()));
}

} // namespace

Blockers claimedDisks(const Sysfs& sysfs, const Topology& topology, unsigned group,
                      const std::vector<std::string>& allow) {
    Blockers blockers;
    if (std::ranges::any_of(allow, [](const std::string& code) {
            return std::ranges::find(diskCodes, code) != diskCodes.end();
        }))
        return blockers;
    for (const auto* device : topology.endpoints(group)) {
        const auto& address = device->address;
        if (!whatIsBelow(sysfs, address).disks || noDiskIsOpen(sysfs, address))
            continue;
        const auto nodes = nodesBelow(sysfs, address);
        if (!nodes) {
            blockers.push_back(
                cannotTell("storage-member", address, address.str() + " holds disks in use", nodes.error()));
            continue;
        }
        // A partition that is claimed has its whole disk claimed (bd_finish_claiming() in block/bdev.c).
        for (const auto& node : *nodes)
            if (node.kind == "block" && !sysfs.exists("/sys/dev/block/" + node.number.str() + "/partition"))
                ask(blockers, sysfs, address, node);
    }
    return blockers;
}

} // namespace vfiobind
