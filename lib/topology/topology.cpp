// SPDX-License-Identifier: LGPL-2.1-or-later
#include "topology/topology.h"

#include "pci/serial.h"
#include "pci/text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ranges>
#include <set>

namespace vfiobind {
namespace {

constexpr std::string_view devicesDirectory = "/sys/bus/pci/devices/";
constexpr std::uint16_t pciBridge = 0x0604;

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

/// The functions that vfio-bind-early has noted a serial number for. No value where it cannot be listed.
std::optional<std::set<Address>> notedSerials(const Sysfs& sysfs) {
    const auto names = sysfs.list(std::string(serialsDirectory));
    if (!names)
        return names.error().code == ENOENT ? std::optional(std::set<Address>{}) : std::nullopt;
    std::set<Address> noted;
    for (const auto& name : *names)
        if (const auto address = Address::parse(name))
            noted.insert(*address);
    return noted;
}

/// The kernel tells it since Linux 6.18. Looks for a note of it where there is one; where `noted` is not
/// known, by itself.
std::string serialOf(const Sysfs& sysfs, const Device& device,
                     const std::optional<std::set<Address>>& noted) {
    if (const auto told = sysfs.read(device.sysfsPath() + "/serial_number", 64))
        return parseSerial(*told).value_or("");
    if (noted && !noted->contains(device.address))
        return {};
    const auto kept = sysfs.read(std::string(serialsDirectory) + '/' + device.address.str(), 64);
    if (!kept)
        return {};
    // Another card at this address has another number: the file is of a device with these ids.
    const auto words = split(*kept, ' ');
    return words.size() == 2 && words[1] == device.ids.str() ? parseSerial(words[0]).value_or("")
                                                             : std::string{};
}

/// What a device's own files tell: all but its driver and its virtual functions.
std::optional<Device> readItself(const Sysfs& sysfs, const Address& address,
                                 const std::optional<std::set<Address>>& noted = std::nullopt) {
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
    if (const auto group = sysfs.link(path + "/iommu_group"))
        device.group = number(baseName(*group));
    // The kernel shows this file for header types 1 and 2 only (drivers/pci/pci-sysfs.c,
    // pci_bridge_attrs_are_visible); all of these have base class 06. Class 0604 it leaves to header type 1
    // only (drivers/pci/probe.c, pci_setup_device).
    device.bridge = ids->classId() == pciBridge ||
                    (ids->baseClass() == pciclass::bridge && sysfs.exists(path + "/secondary_bus_number"));
    if (!device.bridge) {
        device.physicalFunction = linkedAddress(sysfs, path + "/physfn");
        device.serial = serialOf(sysfs, device, noted);
    }
    return device;
}

/// The devices of all drivers, as the drivers' directories have them. No value where one cannot be listed,
/// and where there are so few devices that the link of each is cheaper.
std::optional<std::map<Address, std::string>> boundDevices(const Sysfs& sysfs, std::size_t devices) {
    constexpr std::size_t callsADirectory = 5; // to open, to stat, to read until there is nothing, to close
    const std::string directory = "/sys/bus/pci/drivers";
    const auto drivers = sysfs.list(directory);
    if (!drivers || devices < drivers->size() * callsADirectory)
        return std::nullopt;
    std::map<Address, std::string> bound;
    for (const auto& driver : *drivers) {
        const auto names = sysfs.list(directory + '/' + driver);
        if (!names && names.error().code == ENOENT)
            continue; // its module was just unloaded
        if (!names)
            return std::nullopt;
        for (const auto& name : *names)
            if (name.find(':') != std::string::npos) // the others are bind, unbind, new_id, ...
                if (const auto address = Address::parse(name))
                    bound.emplace(*address, driver);
    }
    return bound;
}

std::string driverOf(const Sysfs& sysfs, const Address& address) {
    const auto link = sysfs.link(std::string(devicesDirectory) + address.str() + "/driver");
    return link ? std::string(baseName(*link)) : std::string{};
}

/// The functions that the kernel has a VFIO device for, as its class has them (drivers/vfio/vfio_main.c,
/// since Linux 6.1). No value where it cannot be listed.
std::optional<std::set<Address>> vfioDevices(const Sysfs& sysfs) {
    const auto links = sysfs.links("/sys/class/vfio-dev");
    if (!links)
        return links.error().code == ENOENT ? std::optional(std::set<Address>{}) : std::nullopt;
    std::set<Address> devices;
    for (const auto& target : *links | std::views::values)
        if (const auto address = Address::parse(baseName(target.substr(0, target.rfind("/vfio-dev/")))))
            devices.insert(*address);
    return devices;
}

/// Looks where there can be one only: a driver makes it, and bridges are never handed over. Each by itself
/// where `all` are not known.
bool hasVfioDevice(const Sysfs& sysfs, const Device& device,
                   const std::optional<std::set<Address>>& all = std::nullopt) {
    if (device.driver.empty() || device.bridge)
        return false;
    return all ? all->contains(device.address) : sysfs.exists(device.sysfsPath() + "/vfio-dev");
}

} // namespace

std::optional<Device> readDevice(const Sysfs& sysfs, const Address& address) {
    auto device = readItself(sysfs, address);
    if (!device)
        return std::nullopt;
    device->driver = driverOf(sysfs, address);
    device->vfioDevice = hasVfioDevice(sysfs, *device);
    if (!device->physicalFunction && !device->bridge)
        device->virtualFunctions = virtualFunctions(sysfs, device->sysfsPath());
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
    const auto bound = boundDevices(sysfs, names->size());
    const auto vfio = vfioDevices(sysfs);
    const auto noted = notedSerials(sysfs);
    Topology topology;
    for (const auto& name : *names) {
        const auto address = Address::parse(name);
        auto device = address ? readItself(sysfs, *address, noted) : std::nullopt;
        if (!device)
            continue;
        if (!bound)
            device->driver = driverOf(sysfs, *address);
        else if (const auto found = bound->find(*address); found != bound->end())
            device->driver = found->second;
        device->vfioDevice = hasVfioDevice(sysfs, *device, vfio);
        topology.insert(std::move(*device));
    }
    topology.linkVirtualFunctions();
    return topology;
}

Topology Topology::of(std::vector<Device> devices) {
    Topology topology;
    for (auto& device : devices)
        topology.insert(std::move(device));
    topology.linkVirtualFunctions();
    return topology;
}

/// Virtual functions name their physical one, and their addresses rise with their numbers (SR-IOV, 2.1.2:
/// First VF Offset and VF Stride are added up), so no link of a physical function need be read.
void Topology::linkVirtualFunctions() {
    for (const auto& [address, device] : devices_)
        if (device.physicalFunction)
            if (const auto pf = devices_.find(*device.physicalFunction); pf != devices_.end())
                pf->second.virtualFunctions.push_back(address);
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
