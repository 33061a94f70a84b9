// SPDX-License-Identifier: LGPL-2.1-or-later
/// A machine for the tests: a graphics card with its audio in group 22 that a rule wants, a disk that is
/// blocked, a NIC that nobody wants, and a rule that matches nothing.
#pragma once

#include "pci/address.h"
#include "state.h"
#include "target.h"

#include <stdexcept>

namespace vfiobind::ctl {

inline DeviceState& addDevice(Snapshot& snapshot, const std::string& address, std::uint32_t group,
                              std::uint16_t vendor, std::uint16_t device, const std::string& driver,
                              const std::string& name) {
    DeviceState state;
    state.objectPath = "/org/vfiobind1/device/" + Address::parse(address).value().objectName();
    state.address = address;
    state.vendor = vendor;
    state.device = device;
    state.driver = driver;
    state.vendorName = "Vendor";
    state.deviceName = name;
    state.group = "/org/vfiobind1/group/" + std::to_string(group);
    state.physicalFunction = "/";
    GroupState& owner = snapshot.groups[state.group];
    owner.objectPath = state.group;
    owner.number = group;
    owner.viable = true;
    owner.job = "/";
    if (owner.state.empty())
        owner.state = "native";
    owner.devices.push_back(state.objectPath);
    return snapshot.devices[state.objectPath] = state;
}

inline Snapshot testSnapshot() {
    Snapshot snapshot;
    snapshot.manager = {"1.2.3", "intel", false, {"/etc/vfio-bind.toml"}, "", {}};
    snapshot.manager.rules = {{"guest-gpu", "auto", {"10de:1284"}}, {"spare", "auto", {"8086:10d3"}}};
    // Out of order on purpose: status sorts.
    addDevice(snapshot, "0000:01:00.1", 22, 0x10de, 0x0e0f, "snd_hda_intel", "Audio");
    addDevice(snapshot, "0000:01:00.0", 22, 0x10de, 0x1284, "nouveau", "GeForce");
    addDevice(snapshot, "10000:e1:00.0", 101, 0x144d, 0xa808, "nvme", "Disk");
    addDevice(snapshot, "0000:03:00.0", 5, 0x8086, 0x1533, "igb", "I210");
    snapshot.idleRules = {{snapshot.manager.rules[1], {}}};
    snapshot.groups["/org/vfiobind1/group/22"].rule = "guest-gpu";
    GroupState& disk = snapshot.groups["/org/vfiobind1/group/101"];
    disk.state = "blocked";
    disk.rule = "disk";
    disk.blockers = {{"mounted", "10000:e1:00.0", "10000:e1:00.0 holds / (nvme0n1p2)"}};
    return snapshot;
}

/// What the daemon would answer of `group/22`, a rule that groups bear, or an address.
inline Resolved resolvedOf(const Snapshot& snapshot, const std::string& target) {
    Resolved result;
    for (const auto& [path, group] : snapshot.groups)
        if (target == group.rule || target == "group/" + std::to_string(group.number))
            result.groups.push_back(path);
    for (const auto& [path, device] : snapshot.devices)
        if (device.address == target || device.address == "0000:" + target) {
            result.devices.push_back(path);
            result.groups.push_back(device.group);
        }
    return result;
}

/// What this touches of it; throws where that is nothing.
inline Touched touchedBy(const Snapshot& snapshot, const std::string& target) {
    auto touched = touchedBy(snapshot, resolvedOf(snapshot, target));
    if (touched.groups.empty() && touched.groupless.empty())
        throw std::runtime_error("nothing of the snapshot is " + target);
    return touched;
}

} // namespace vfiobind::ctl
