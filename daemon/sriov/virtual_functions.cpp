// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sriov/virtual_functions.h"

#include "transaction/virtual_functions.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <system_error>

namespace vfiobind {

void VirtualFunctions::look() {
    const auto& topology = around_.machine.topology();
    std::erase_if(creations_, [&](const auto& entry) {
        const auto* device = topology.find(entry.first);
        return entry.second.work == nullptr && (device == nullptr || device->driver.empty());
    });
    const auto& resolution = around_.intent.resolution();
    look(resolution.virtualFunctions, false);
    look(resolution.askedVirtualFunctions, true);
}

void VirtualFunctions::look(const std::map<Address, VfOrder>& orders, bool unfinishedOnly) {
    const AutoprobeFiles autoprobes(stateDirectory_ + "/sriov");
    for (const auto& [address, order] : orders) {
        const auto* device = around_.machine.topology().find(address);
        const bool wrongNumber = device != nullptr && device->virtualFunctions.size() != order.count;
        const bool unfinished = device != nullptr && !device->driver.empty() &&
                                ((wrongNumber && !unfinishedOnly) || autoprobes.load(address).has_value());
        const auto known = creations_.find(address);
        if (unfinished &&
            (known == creations_.end() || (known->second.work == nullptr && known->second.order != order)))
            create(*device, order);
    }
}

void VirtualFunctions::make(const std::map<Address, VfOrder>& orders, Made made) {
    const auto wish = std::make_shared<Wish>(Wish{.left = {}, .failure = {}, .made = std::move(made)});
    for (const auto& address : orders | std::views::keys)
        wish->left.insert(address);
    wishes_.push_back(wish);
    for (const auto& [address, order] : orders) {
        const auto known = creations_.find(address);
        if (known != creations_.end() && known->second.work != nullptr) {
            if (const auto overdue = known->second.overdue; !overdue.empty())
                settle(address, overdue);
            continue; // otherwise its end is waited for
        }
        if (const auto* device = around_.machine.topology().find(address); device != nullptr)
            create(*device, order);
        else
            settle(address, address.str() + " is gone");
    }
}

void VirtualFunctions::check(const std::map<Address, VfOrder>& orders, Blockers& blockers,
                             std::vector<std::string>& steps) const {
    for (const auto& [address, order] : orders) {
        const auto* device = around_.machine.topology().find(address);
        if (device != nullptr && !device->virtualFunctions.empty())
            blockers.push_back(
                {"has-vfs", address,
                 fmt::format("{} has {} virtual functions, and {} wants {}; write 0 to its "
                             "sriov_numvfs when nothing uses them",
                             address.str(), device->virtualFunctions.size(), order.by, order.count)});
        steps.push_back(fmt::format("sriov_numvfs {} {}", address.str(), order.count));
    }
}

/// The physical function is through, for those who wait for it. The functions' own events may come later, so
/// the functions are read here.
void VirtualFunctions::settle(const Address& address, const std::string& failure) {
    for (const auto& wish : std::vector(wishes_)) {
        if (wish->left.erase(address) == 0)
            continue;
        if (failure.empty()) {
            const auto* device = around_.machine.topology().find(address);
            const auto functions = device != nullptr ? device->virtualFunctions : std::vector<Address>{};
            for (const auto& function : functions)
                around_.refreshDevice(function);
        } else {
            wish->failure += (wish->failure.empty() ? "" : "; ") + failure;
        }
        if (!wish->left.empty())
            continue;
        std::erase(wishes_, wish);
        wish->made(wish->failure);
    }
}

void VirtualFunctions::forget(const Address& physicalFunction) {
    creations_.erase(physicalFunction);
    settle(physicalFunction, physicalFunction.str() + " is gone");
}

bool VirtualFunctions::isCreating() const {
    return std::ranges::any_of(creations_, [](const auto& entry) {
        return entry.second.work != nullptr && entry.second.overdue.empty();
    });
}

void VirtualFunctions::forgive() {
    std::erase_if(creations_, [](const auto& entry) { return entry.second.work == nullptr; });
}

void VirtualFunctions::create(const Device& physicalFunction, const VfOrder& order) {
    const auto address = physicalFunction.address;
    auto& creation = creations_[address];
    creation = {
        .order = order, .step = {}, .failure = {}, .overdue = {}, .work = nullptr, .limit = {}, .over = {}};
    spdlog::info("{}: {} virtual functions are to be there ({})", address.str(), order.count, order.by);
    try {
        creation.work =
            around_.executor.start({.kind = WorkOrder::Kind::createVfs,
                                    .group = physicalFunction.group.value_or(0),
                                    .devices = {address},
                                    .inGroup = physicalFunction.group.has_value(),
                                    .virtualFunctions = order,
                                    .stateDirectory = stateDirectory_},
                                   around_.machine.topology(), [this, address](const WorkMessage& message) {
                                       receive(address, message);
                                   });
    } catch (const std::system_error& error) {
        const auto why = std::string("no worker could be started: ") + error.what();
        tell(address, why);
        return settle(address, why);
    }
    limit(address, creation);
}

/// Whoever waits for a worker that hangs is answered; what the worker comes to is told when it does.
void VirtualFunctions::limit(const Address& address, Creation& creation) {
    creation.limit = around_.loop.timer(creation.order.timeout, [this, address] {
        auto& late = creations_.at(address);
        const auto why = fmt::format("'{}' has not come back in time; it hangs in the kernel",
                                     late.step.empty() ? "the first step" : "what follows " + late.step);
        late.overdue = why;
        tell(address, why);
        settle(address, why);
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
        if (!creation.overdue.empty()) {
            creation.overdue.clear();
            limit(address, creation);
        }
        return;
    }
    creation.limit.reset();
    creation.overdue.clear();
    if (const auto* died = std::get_if<Died>(&message))
        creation.failure = died->how;
    else if (const auto* finished = std::get_if<Finished>(&message);
             finished != nullptr && finished->result != "done")
        creation.failure = finished->error;
    if (!creation.failure.empty())
        tell(address, creation.failure);
    else
        spdlog::info("{}: the virtual functions are there", address.str());
    creation.over = around_.loop.soon([this, address] { end(address); }); // not from within its own call
}

void VirtualFunctions::end(const Address& address) {
    const auto ended = creations_.find(address);
    if (ended == creations_.end())
        return;
    ended->second.work.reset();
    const auto failure = ended->second.failure;
    around_.refreshDevice(address);
    look();
    settle(address, failure);
}

void VirtualFunctions::tell(const Address& address, const std::string& why) {
    spdlog::error("{}: its virtual functions are not made: {}", address.str(), why);
    if (const auto* device = around_.machine.topology().find(address); device != nullptr && device->group)
        fail_(*device->group, why);
}

} // namespace vfiobind
