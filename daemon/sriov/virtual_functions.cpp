// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sriov/virtual_functions.h"

#include "transaction/virtual_functions.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <system_error>

namespace vfiobind {

void VirtualFunctions::look() {
    const auto& topology = around_.machine.topology();
    std::erase_if(creations_, [&](const auto& entry) {
        const auto* device = topology.find(entry.first);
        return entry.second.work == nullptr && (device == nullptr || device->driver.empty());
    });
    const AutoprobeFiles autoprobes(stateDirectory_ + "/sriov");
    for (const auto& [address, order] : around_.intent.resolution().virtualFunctions) {
        const auto* device = topology.find(address);
        const bool unfinished =
            device != nullptr && !device->driver.empty() &&
            (device->virtualFunctions.size() != order.count || autoprobes.load(address).has_value());
        const auto known = creations_.find(address);
        if (unfinished &&
            (known == creations_.end() || (known->second.work == nullptr && known->second.order != order)))
            create(*device, order);
    }
}

bool VirtualFunctions::isCreating() const {
    return std::ranges::any_of(creations_, [](const auto& entry) { return entry.second.work != nullptr; });
}

void VirtualFunctions::forgive() {
    std::erase_if(creations_, [](const auto& entry) { return entry.second.work == nullptr; });
}

void VirtualFunctions::create(const Device& physicalFunction, const VfOrder& order) {
    const auto address = physicalFunction.address;
    auto& creation = creations_[address];
    creation = {.order = order, .step = {}, .work = nullptr, .limit = {}, .over = {}};
    spdlog::info("{}: {} virtual functions are to be there ({})", address.str(), order.count, order.by);
    try {
        creation.work =
            around_.executor.start({.kind = WorkOrder::Kind::createVfs,
                                    .group = physicalFunction.group.value_or(0),
                                    .devices = {address},
                                    .virtualFunctions = order,
                                    .stateDirectory = stateDirectory_},
                                   around_.machine.topology(), [this, address](const WorkMessage& message) {
                                       receive(address, message);
                                   });
    } catch (const std::system_error& error) {
        return failed(address, std::string("no worker could be started: ") + error.what());
    }
    creation.limit = around_.loop.timer(order.timeout, [this, address] {
        const auto& step = creations_.at(address).step;
        failed(address, fmt::format("'{}' has not come back in time; it hangs in the kernel",
                                    step.empty() ? "the first step" : "what follows " + step));
    });
}

void VirtualFunctions::receive(const Address& address, const WorkMessage& message) {
    const auto it = creations_.find(address);
    if (it == creations_.end())
        return;
    auto& creation = it->second;
    if (const auto* begun = std::get_if<StepBegun>(&message)) {
        creation.step = begun->step;
        return;
    }
    if (const auto* ended = std::get_if<StepEnded>(&message)) {
        if (ended->result == "done")
            spdlog::info("{}: {}: done", address.str(), creation.step);
        else
            spdlog::error("{}: {}: {}", address.str(), creation.step, ended->result);
        return;
    }
    creation.limit.reset();
    if (const auto* died = std::get_if<Died>(&message))
        failed(address, died->how);
    else if (const auto* finished = std::get_if<Finished>(&message);
             finished != nullptr && finished->result != "done")
        failed(address, finished->error);
    else
        spdlog::info("{}: the virtual functions are there", address.str());
    creation.over = around_.loop.soon([this, address] { end(address); }); // not from within its own call
}

void VirtualFunctions::end(const Address& address) {
    const auto ended = creations_.find(address);
    if (ended == creations_.end())
        return;
    ended->second.work.reset();
    around_.refreshDevice(address);
    look();
}

void VirtualFunctions::failed(const Address& address, const std::string& why) {
    spdlog::error("{}: its virtual functions are not made: {}", address.str(), why);
    if (const auto* device = around_.machine.topology().find(address); device != nullptr && device->group)
        fail_(*device->group, why);
}

} // namespace vfiobind
