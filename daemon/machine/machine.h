// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the machine has, as last read. Only this class writes it.
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

/// A device before and after it was read anew; nothing if the device was not there, or is gone.
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
    /// Reads one device anew, and with a virtual function its physical function, since the kernel announces a
    /// virtual function before it links the two. Returns the devices that changed.
    std::vector<DeviceChange> refresh(const Address& address);
    /// driver_override is read by workers, since reading can block (doc/kernel.md 2).
    void noteOverride(const Address& address, std::string value);

    const Sysfs& sysfs() const { return sysfs_; }
    const Topology& topology() const { return topology_; }
    const Drivers& drivers() const { return drivers_; }
    bool hasGroup(unsigned group) const { return topology_.findGroup(group) != nullptr; }
    /// Returns all devices that were known, and all that are there now.
    SysResult<std::set<Address>> allAddresses() const;
    MemberDrivers driversOf(unsigned group) const;
    /// Whether the device is on `driver`: a name, or "auto" for any VFIO driver.
    bool isHandedOver(const Device& device, const std::string& driver) const;
    /// How many of the group's endpoints are on `driver`.
    unsigned handedOver(unsigned group, const std::string& driver) const;

private:
    const Sysfs& sysfs_;
    ChangeLog& changes_;
    Topology topology_;
    Drivers drivers_;
};

} // namespace vfiobind
