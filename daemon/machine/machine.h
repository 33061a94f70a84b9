// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the machine has, as last read. Nobody else writes it.
#pragma once

#include "change/change_log.h"
#include "plan/plan.h"
#include "topology/topology.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

/// A device before and after it was read anew; nothing where it was not, or is not, there.
struct DeviceChange {
    std::optional<Device> before;
    std::optional<Device> now;
};

/// The drivers of a group's endpoints, empty for none.
using MemberDrivers = std::vector<std::pair<Address, std::string>>;

class Machine {
public:
    Machine(const Sysfs& sysfs, ChangeLog& changes) : sysfs_(sysfs), changes_(changes) {}

    /// Reads all devices. Throws std::runtime_error when there is no PCI bus to read.
    void read();
    /// The names under /sys/bus/pci/drivers.
    void readDrivers();
    /// Reads one device, and with a virtual function its physical one: the kernel tells of a virtual function
    /// before it links the two. Returns those that are not as they were.
    std::vector<DeviceChange> refresh(const Address& address);
    /// driver_override is read by workers, since reading can block (doc/kernel.md 2).
    void noteOverride(const Address& address, std::string value);

    const Sysfs& sysfs() const { return sysfs_; }
    const Topology& topology() const { return topology_; }
    const Drivers& drivers() const { return drivers_; }
    bool hasGroup(unsigned group) const { return topology_.findGroup(group) != nullptr; }
    /// All devices that were known, and all that are there now.
    SysResult<std::set<Address>> allAddresses() const;
    MemberDrivers driversOf(unsigned group) const;
    /// Whether the device is where `driver` ("auto", or a name) wants it.
    bool isHandedOver(const Device& device, const std::string& driver) const;
    /// How many of the group's endpoints are.
    unsigned handedOver(unsigned group, const std::string& driver) const;

private:
    const Sysfs& sysfs_;
    ChangeLog& changes_;
    Topology topology_;
    Drivers drivers_;
};

} // namespace vfiobind
