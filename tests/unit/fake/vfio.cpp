// SPDX-License-Identifier: LGPL-2.1-or-later
// VFIO: what it refuses, its groups and device nodes, and the processes that hold them (drivers/vfio/).
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <stdexcept>

namespace vfiobind {

using namespace faketext;

std::string FakeKernel::parameter(const std::string& module, const std::string& name) const {
    const auto it = modules_.find(module);
    if (it == modules_.end() || !it->second.loaded)
        return {};
    const auto value = it->second.parameters.find(name);
    return value == it->second.parameters.end() ? "" : value->second;
}

bool FakeKernel::denylisted(const Function& device) const {
    // vfio_pci_dev_in_denylist, Linux 6.1: QAT that can be used to crash the host.
    static constexpr std::array<const char*, 6> list{"8086:19e2", "8086:19e3", "8086:37c8",
                                                     "8086:37c9", "8086:0435", "8086:0443"};
    return std::ranges::find(list, device.ids) != list.end() &&
           parameter("vfio_pci", "disable_denylist") != "Y";
}

int FakeKernel::vfioProbe(Function& device, const Driver& driver) {
    if (driver.name == "vfio-pci" && denylisted(device))
        return EINVAL;
    if (*device.headerType != 0)
        return EINVAL;
    if (!device.vfs.empty())
        return EBUSY;
    if (!device.group) {
        if (parameter("vfio", "enable_unsafe_noiommu_mode") != "Y")
            return EINVAL;
        device.group = freeGroup();
        device.noiommuGroup = true;
    }
    const unsigned group = *device.group;
    const auto members = membersOf(group);
    const bool first = std::ranges::none_of(
        members, [&](const std::string& member) { return functions_.at(member).vfioIndex.has_value(); });
    std::set<unsigned> used;
    for (const auto& [address, other] : functions_)
        if (other.vfioIndex)
            used.insert(*other.vfioIndex);
    unsigned index = 0;
    while (used.contains(index))
        ++index;
    device.vfioIndex = index;
    const std::string place = device.place.substr(4);
    if (first)
        emit("add", "vfio",
             fmt::format("/devices/virtual/vfio/{}{}", device.noiommuGroup ? "noiommu-" : "", group));
    emit("add", "vfio-dev", fmt::format("{}/vfio-dev/vfio{}", place, index));
    return 0;
}

void FakeKernel::vfioLeave(Function& device) {
    const unsigned group = *device.group;
    const bool noiommu = device.noiommuGroup;
    emit("remove", "vfio-dev", fmt::format("{}/vfio-dev/vfio{}", device.place.substr(4), *device.vfioIndex));
    device.vfioIndex.reset();
    const auto members = membersOf(group);
    if (std::ranges::none_of(
            members, [&](const std::string& member) { return functions_.at(member).vfioIndex.has_value(); }))
        emit("remove", "vfio", fmt::format("/devices/virtual/vfio/{}{}", noiommu ? "noiommu-" : "", group));
    if (noiommu) {
        device.group.reset();
        device.noiommuGroup = false;
    }
}

std::vector<std::string> FakeKernel::membersOf(unsigned group) const {
    std::vector<std::string> members;
    for (const auto& [address, device] : functions_)
        if (device.group == group)
            members.push_back(address);
    return members;
}

bool FakeKernel::groupViable(unsigned group) const {
    return std::ranges::all_of(membersOf(group), [&](const std::string& member) {
        const auto* owner = driver(functions_.at(member).driver);
        return owner == nullptr || owner->managedDma;
    });
}

bool FakeKernel::groupClaimed(unsigned group) const {
    return std::ranges::any_of(holders_, [&](const auto& holder) { return holder.second.group == group; });
}

bool FakeKernel::heldOpen(const std::string& address) const {
    return std::ranges::any_of(holders_, [&](const auto& holder) {
        return std::ranges::count(*holder.second.devices, address) > 0;
    });
}

int FakeKernel::startHolder(FakeHolder holder) {
    if (holders_.contains(holder.pid) || holder.pid <= 0)
        throw std::invalid_argument("holder: wanted a pid of its own");
    if (holder.group.has_value() == !holder.cdev.empty())
        throw std::invalid_argument("holder: wanted either a group or a cdev's device");
    if (!holder.cdev.empty()) {
        const auto* device = function(holder.cdev);
        if (device == nullptr || !device->vfioIndex || !hasCdevs() || device->noiommuGroup)
            return ENOENT;
        holder.group = device->group;
        holder.devices = {holder.cdev};
    }
    std::vector<std::string> usable;
    for (const auto& member : membersOf(*holder.group))
        if (functions_.at(member).vfioIndex)
            usable.push_back(member);
    if (usable.empty())
        return ENOENT;
    for (const auto& [pid, other] : holders_)
        if (other.group == holder.group)
            // Two iommufds: iommu_device_claim_dma_owner. A group's node on either side: it, or the group, is
            // open.
            return other.cdev.empty() || holder.cdev.empty() ? EBUSY : EPERM;
    if (!groupViable(*holder.group))
        return EPERM;
    if (const auto it = reservedRegions_.find(*holder.group); it != reservedRegions_.end())
        for (const auto& line : split(it->second, '\n'))
            if (line.ends_with(" direct"))
                return EINVAL;
    if (!holder.devices)
        holder.devices = usable;
    for (const auto& device : *holder.devices)
        if (std::ranges::find(usable, device) == usable.end())
            return ENODEV;
    holders_[holder.pid] = std::move(holder);
    return 0;
}

void FakeKernel::endProcess(int pid) {
    if (holders_.erase(pid) == 0)
        throw std::invalid_argument(fmt::format("no process {}", pid));
    settle();
}

} // namespace vfiobind
