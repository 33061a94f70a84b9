// SPDX-License-Identifier: LGPL-2.1-or-later
#include "topology/topology.h"

#include <algorithm>
#include <charconv>
#include <ranges>

namespace vfiobind {
namespace {

constexpr std::string_view devicesDirectory = "/sys/bus/pci/devices/";

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

/// Turns `../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0` into `0000:00/01.0/00.0`: bus numbers are
/// left out below the root, since firmware and hotplug change them (case 13).
std::string bridgePath(std::string_view link) {
    std::string path;
    for (const auto part : std::views::split(link, '/')) {
        const std::string_view name(part.begin(), part.end());
        if (path.empty()) {
            if (name.starts_with("pci") && name.find(':') != std::string_view::npos)
                path = name.substr(3);
        } else if (const auto address = Address::parse(name)) {
            path += '/' + address->str().substr(address->str().size() - 4);
        }
    }
    return path;
}

std::optional<Address> linkedAddress(const Sysfs& sysfs, const std::string& path) {
    const auto target = sysfs.link(path);
    if (!target)
        return std::nullopt;
    const auto address = Address::parse(baseName(*target));
    return address ? std::optional(*address) : std::nullopt;
}

std::vector<Address> virtualFunctions(const Sysfs& sysfs, const std::string& path) {
    std::vector<Address> found;
    // Only a PF has this file, so that other devices cost one look.
    if (!sysfs.exists(path + "/sriov_numvfs"))
        return found;
    for (unsigned i = 0;; ++i) {
        const auto vf = linkedAddress(sysfs, path + "/virtfn" + std::to_string(i));
        if (!vf)
            return found;
        found.push_back(*vf);
    }
}

} // namespace

std::optional<Device> readDevice(const Sysfs& sysfs, const Address& address) {
    const std::string path = std::string(devicesDirectory) + address.str();
    const auto modalias = sysfs.read(path + "/modalias", 256);
    if (!modalias)
        return std::nullopt;
    const auto ids = Ids::fromModalias(*modalias);
    const auto place = sysfs.link(path);
    if (!ids || !place)
        return std::nullopt;

    Device device;
    device.address = address;
    device.ids = *ids;
    device.path = bridgePath(*place);
    if (const auto driver = sysfs.link(path + "/driver"))
        device.driver = baseName(*driver);
    if (const auto group = sysfs.link(path + "/iommu_group"))
        device.group = number(baseName(*group));
    // The kernel shows this file for header types 1 and 2 only (drivers/pci/pci-sysfs.c,
    // pci_bridge_attrs_are_visible); all of these have base class 06.
    device.bridge = ids->baseClass() == pciclass::bridge && sysfs.exists(path + "/secondary_bus_number");
    device.physicalFunction = linkedAddress(sysfs, path + "/physfn");
    if (!device.physicalFunction && !device.bridge)
        device.virtualFunctions = virtualFunctions(sysfs, path);
    return device;
}

SysResult<DriverOverride> readDriverOverride(const Sysfs& sysfs, const Address& address) {
    auto text = sysfs.read(std::string(devicesDirectory) + address.str() + "/driver_override");
    if (!text)
        return std::unexpected(text.error());
    if (*text == "(null)")
        text->clear();
    return DriverOverride{.known = true, .value = std::move(*text)};
}

SysResult<Topology> Topology::read(const Sysfs& sysfs) {
    auto names = sysfs.list(std::string(devicesDirectory.substr(0, devicesDirectory.size() - 1)));
    if (!names)
        return std::unexpected(names.error());
    Topology topology;
    for (const auto& name : *names)
        if (const auto address = Address::parse(name))
            if (auto device = readDevice(sysfs, *address))
                topology.insert(std::move(*device));
    return topology;
}

bool Topology::refresh(const Sysfs& sysfs, const Address& address) {
    auto now = readDevice(sysfs, address);
    const Device* before = find(address);
    if (!now) {
        if (before == nullptr)
            return false;
        erase(address);
        return true;
    }
    if (before != nullptr && before->ids == now->ids)
        now->driverOverride = before->driverOverride;
    if (before != nullptr && *before == *now)
        return false;
    insert(std::move(*now));
    return true;
}

const Device* Topology::find(const Address& address) const {
    const auto it = devices_.find(address);
    return it == devices_.end() ? nullptr : &it->second;
}

const IommuGroup* Topology::findGroup(unsigned number) const {
    const auto it = groups_.find(number);
    return it == groups_.end() ? nullptr : &it->second;
}

std::vector<const Device*> Topology::endpoints(unsigned group) const {
    std::vector<const Device*> found;
    if (const auto* members = findGroup(group))
        for (const auto& address : members->members)
            if (const auto* device = find(address); device != nullptr && device->endpoint())
                found.push_back(device);
    return found;
}

void Topology::setOverride(const Address& address, DriverOverride value) {
    if (const auto it = devices_.find(address); it != devices_.end())
        it->second.driverOverride = std::move(value);
}

void Topology::insert(Device device) {
    const Address address = device.address;
    if (const Device* before = find(address); before != nullptr && before->group != device.group)
        erase(address);
    if (device.group) {
        auto& group = groups_[*device.group];
        group.number = *device.group;
        group.members.insert(address);
    }
    devices_.insert_or_assign(address, std::move(device));
}

void Topology::erase(const Address& address) {
    const auto it = devices_.find(address);
    if (it == devices_.end())
        return;
    if (it->second.group) {
        const auto group = groups_.find(*it->second.group);
        group->second.members.erase(address);
        if (group->second.members.empty())
            groups_.erase(group);
    }
    devices_.erase(it);
}

std::string iommuKind(const Sysfs& sysfs) {
    const auto units = sysfs.list("/sys/class/iommu");
    if (!units || units->empty())
        return "none";
    const auto& name = units->front();
    const auto starts = [&](std::string_view prefix) { return name.starts_with(prefix); };
    if (starts("dmar"))
        return "intel";
    if (starts("ivhd"))
        return "amd";
    if (starts("smmu") || starts("arm-smmu"))
        return "smmu";
    if (starts("virtio"))
        return "virtio";
    return "other";
}

} // namespace vfiobind
