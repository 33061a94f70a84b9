// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine/machine.h"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <spdlog/spdlog.h>
#include <stdexcept>

namespace vfiobind {

void Machine::read() {
    auto topology = Topology::read(sysfs_);
    if (!topology)
        throw std::runtime_error(topology.error().str());
    topology_ = std::move(*topology);
    for (const auto& address : topology_.devices() | std::views::keys)
        changes_.device(address);
    for (const auto& number : topology_.groups() | std::views::keys)
        changes_.group(number);
    changes_.manager();
}

void Machine::readDrivers() {
    if (auto drivers = vfiobind::readDrivers(sysfs_))
        drivers_ = std::move(*drivers);
    else
        spdlog::error("the kernel's drivers cannot be listed: {}", drivers.error().str());
}

std::vector<DeviceChange> Machine::refresh(const Address& address) {
    const auto copy = [&] {
        const auto* device = topology_.find(address);
        return device != nullptr ? std::optional(*device) : std::nullopt;
    };
    DeviceChange change{.before = copy(), .now = {}};
    if (!topology_.refresh(sysfs_, address))
        return {};
    change.now = copy();
    changes_.device(address);
    std::vector<DeviceChange> changes;
    for (const auto* device : {&change.before, &change.now}) {
        if (!*device)
            continue;
        if ((*device)->group)
            changes_.group(*(*device)->group);
        if ((*device)->physicalFunction)
            std::ranges::move(refresh(*(*device)->physicalFunction), std::back_inserter(changes));
    }
    changes.push_back(std::move(change));
    return changes;
}

void Machine::noteOverride(const Address& address, std::string value) {
    topology_.setOverride(address, {.known = true, .value = std::move(value)});
    changes_.device(address);
}

SysResult<std::set<Address>> Machine::allAddresses() const {
    const auto now = Topology::read(sysfs_);
    if (!now)
        return std::unexpected(now.error());
    std::set<Address> all;
    for (const auto* topology : {&topology_, &*now})
        for (const auto& address : topology->devices() | std::views::keys)
            all.insert(address);
    return all;
}

MemberDrivers Machine::driversOf(unsigned group) const {
    MemberDrivers drivers;
    for (const auto* device : topology_.endpoints(group))
        drivers.emplace_back(device->address, device->driver);
    return drivers;
}

bool Machine::isHandedOver(const Device& device, const std::string& driver) const {
    return driver == "auto" ? device.onVfio() : device.driver == drivers_.resolve(driver);
}

unsigned Machine::handedOver(unsigned group, const std::string& driver) const {
    return static_cast<unsigned>(std::ranges::count_if(
        topology_.endpoints(group), [&](const Device* device) { return isHandedOver(*device, driver); }));
}

} // namespace vfiobind
