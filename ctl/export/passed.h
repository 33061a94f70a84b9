// SPDX-License-Identifier: LGPL-2.1-or-later
/// What of a group a VM or a container gets.
#pragma once

#include "pci/address.h"
#include "state.h"
#include "target.h"

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// A function that is handed over. Bridges are none: they stay with the host.
struct PassedFunction {
    Address address;
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint16_t subsystemVendor = 0;
    std::uint16_t subsystemDevice = 0;
    std::uint16_t classId = 0; ///< base class and subclass, as lspci prints them
    std::string driver;        ///< vfio-pci or a variant
    std::string cdev;          ///< `/dev/vfio/devices/vfio0`; empty where the kernel makes none
    bool virtualFunction = false;
    bool wholeCard =
        false; ///< all functions that the host has at this bus and device number are handed over with it
};

struct PassedGroup {
    unsigned number = 0;
    std::string rule; ///< empty where none wants it
    std::string name; ///< of cdiNames(): by which the published files know it
    std::string node; ///< `/dev/vfio/22`, or `/dev/vfio/noiommu-0`; not empty but for iommufd
    bool noIommu = false;
    bool ours = true;                      ///< false where another program bound it
    std::vector<std::string> holders;      ///< `qemu-system-x86 (pid 1234)`
    std::vector<PassedFunction> functions; ///< at least one, in order of address
};

/// What a scheduler's name for the group is made from: the rule's name, else `group-22`.
std::string ruleOrGroup(const PassedGroup& group);

/// The group's node; for iommufd the cdevs of its functions.
std::vector<std::string> nodesOf(const PassedGroup& group, bool iommufd);

/// The functions that are with another driver than vfio-pci itself: `0000:01:00.0 is with mlx5_vfio_pci`,
/// each.
std::vector<std::string> withVariantDriver(const std::vector<PassedGroup>& groups);

/// The groups of a target as a VM would get them, for iommufd by the cdevs of all functions. The error says
/// which are not with VFIO, and what to do.
std::expected<std::vector<PassedGroup>, std::string>
passedGroups(const Snapshot& snapshot, const Touched& touched, bool iommufd = false);

} // namespace vfiobind::ctl
