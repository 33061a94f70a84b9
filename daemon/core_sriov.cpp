// SPDX-License-Identifier: LGPL-2.1-or-later
// Virtual functions that a rule wants made. They are devices like others as soon as they are there.
#include "core.h"

#include "transaction/virtual_functions.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {

/// Begins where functions are missing, or where a worker was killed while sriov_drivers_autoprobe was off:
/// then it is on again by the same call, even if the functions are all there. A physical function without a
/// driver waits for one, whose coming is an event. Each is seen to once: who takes its functions away again
/// is not fought, and what failed is tried again at a reload, or when its driver comes anew.
void Core::considerVirtualFunctions() {
    std::erase_if(vfCreations_, [this](const auto& entry) {
        const auto* device = topology_.find(entry.first);
        return entry.second.work == nullptr && (device == nullptr || device->driver.empty());
    });
    const AutoprobeFiles autoprobes(files_.stateDirectory + "/sriov");
    for (const auto& [address, order] : resolution_.virtualFunctions) {
        const auto* device = topology_.find(address);
        const bool unfinished =
            device != nullptr && !device->driver.empty() &&
            (device->virtualFunctions.size() != order.count || autoprobes.load(address).has_value());
        const auto known = vfCreations_.find(address);
        if (unfinished &&
            (known == vfCreations_.end() || (known->second.work == nullptr && known->second.order != order)))
            createVirtualFunctions(*device, order);
    }
}

void Core::createVirtualFunctions(const Device& physicalFunction, const VfOrder& order) {
    const auto address = physicalFunction.address;
    auto& creation = vfCreations_[address];
    creation = {.order = order, .step = {}, .work = nullptr, .limit = {}, .over = {}};
    spdlog::info("{}: {} virtual functions are to be there ({})", address.str(), order.count, order.by);
    creation.limit = loop_.timer(order.timeout, [this, address] {
        virtualFunctionsFailed(address, fmt::format("'{}' has not come back in time; it hangs in the kernel",
                                                    vfCreations_.at(address).step.empty()
                                                        ? "the first step"
                                                        : "what follows " + vfCreations_.at(address).step));
    });
    creation.work = executor_.start(
        {.kind = WorkOrder::Kind::createVfs,
         .group = physicalFunction.group.value_or(0),
         .devices = {address},
         .virtualFunctions = order,
         .stateDirectory = files_.stateDirectory},
        topology_, [this, address](const WorkMessage& message) { hearOfVirtualFunctions(address, message); });
}

void Core::hearOfVirtualFunctions(const Address& address, const WorkMessage& message) {
    const auto it = vfCreations_.find(address);
    if (it == vfCreations_.end())
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
    if (const auto* finished = std::get_if<Finished>(&message); finished == nullptr)
        virtualFunctionsFailed(address, std::get<Died>(message).how);
    else if (finished->result != "done")
        virtualFunctionsFailed(address, finished->error);
    else
        spdlog::info("{}: the virtual functions are there", address.str());
    // Not from within its own call.
    creation.over = loop_.soon([this, address] {
        const auto ended = vfCreations_.find(address);
        if (ended == vfCreations_.end())
            return;
        ended->second.work.reset();
        refreshDevice(address);
        considerVirtualFunctions();
    });
}

/// It is shown with the physical function's group.
void Core::virtualFunctionsFailed(const Address& address, const std::string& why) {
    spdlog::error("{}: its virtual functions are not made: {}", address.str(), why);
    const auto* device = topology_.find(address);
    if (device == nullptr || !device->group)
        return;
    records_[*device->group].lastError = why;
    changes_.groups.insert(*device->group);
}

} // namespace vfiobind
