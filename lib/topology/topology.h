// SPDX-License-Identifier: LGPL-2.1-or-later
/// The machine's PCI functions and IOMMU groups.
#pragma once

#include "sysfs/sysfs.h"
#include "topology/device.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// The devices that the IOMMU cannot tell apart (Documentation/driver-api/vfio.rst).
struct IommuGroup {
    unsigned number = 0;
    std::set<Address> members;
    bool operator==(const IommuGroup&) const = default;
};

class Topology {
public:
    /// Reads every PCI function. Only files that take no device lock are read (modalias, links), so that
    /// a hung unbind elsewhere never blocks this. The error is the one of `/sys/bus/pci/devices` itself; a
    /// device that vanishes in between is left out.
    static SysResult<Topology> read(const Sysfs& sysfs);

    /// A machine that is not this one: of its devices, each with its physical function where it has one.
    static Topology of(std::vector<Device> devices);

    /// Reads one device again, after an event: adds, updates or removes it. Gives back whether anything
    /// changed.
    bool refresh(const Sysfs& sysfs, const Address& address);

    const std::map<Address, Device>& devices() const { return devices_; }
    const std::map<unsigned, IommuGroup>& groups() const { return groups_; }
    const Device* find(const Address& address) const;
    const IommuGroup* findGroup(unsigned number) const;

    /// The group's members that are handed over together (Device::endpoint), in order of address.
    std::vector<const Device*> endpoints(unsigned group) const;

    /// Remembers what a worker has read of a device's override.
    void setOverride(const Address& address, DriverOverride value);

private:
    void insert(Device device);
    void erase(const Address& address);
    void linkVirtualFunctions();

    std::map<Address, Device> devices_;
    std::map<unsigned, IommuGroup> groups_;
};

/// Where vfio-bind-early leaves the serial numbers that the kernel does not tell itself: a file for each
/// device that has one, `00-11-22-ff-fe-33-44-55 8086:1520`, with the device's ids.
inline constexpr std::string_view serialsDirectory = "/run/vfio-bind/serials";

/// Reads one device; no value when it is not there (any more).
std::optional<Device> readDevice(const Sysfs& sysfs, const Address& address);

/// Reads `driver_override`. Blocks behind the device's lock on Linux 6.1: for workers only.
SysResult<DriverOverride> readDriverOverride(const Sysfs& sysfs, const Address& address);

/// Which IOMMU the machine has, from `/sys/class/iommu`: `intel` (dmar*), `amd` (ivhd*), `smmu` (smmu*,
/// arm-smmu*), `virtio` (virtio-iommu), `other`, or `none`.
std::string iommuKind(const Sysfs& sysfs);

} // namespace vfiobind
