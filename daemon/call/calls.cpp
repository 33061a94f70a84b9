// SPDX-License-Identifier: LGPL-2.1-or-later
#include "call/calls.h"

#include "group/group.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <set>
#include <spdlog/spdlog.h>
#include <system_error>
#include <utility>

namespace vfiobind {

void Calls::begin(Call::Order order) {
    begin(std::make_shared<Call>(
        around_, group_, [this](const CallPtr& call) { launch(call); }, std::move(order)));
}

std::optional<ApiError> Calls::refusal(const std::map<unsigned, Wanted>& groups) const {
    for (const auto group : groups | std::views::keys) {
        if (!around_.machine.hasGroup(group))
            return ApiError{ApiError::Kind::noSuchGroup, fmt::format("there is no IOMMU group {}", group)};
        const auto& known = group_(group);
        if (!known.isLookedAt() && !known.isIdle())
            return ApiError{
                ApiError::Kind::busy,
                fmt::format("group {} is being worked on; ask again when the job has ended", group)};
    }
    return std::nullopt;
}

bool Calls::areOccupied(const std::map<unsigned, Wanted>& groups) const {
    return std::ranges::any_of(groups | std::views::keys, [this](unsigned group) {
        const auto& known = group_(group);
        return known.isLookedAt() || known.isWorking() ||
               std::ranges::any_of(waiting_,
                                   [group](const CallPtr& call) { return call->groups().contains(group); });
    });
}

/// A caller who may change nothing holds up nobody who may.
void Calls::setChecksAside(const Call& change) {
    const auto groups = change.groups() | std::views::keys;
    for (const auto& known : std::exchange(checks_, {})) {
        const auto check = known.lock();
        if (check == nullptr)
            continue;
        if (std::ranges::any_of(groups, [&](unsigned group) { return check->groups().contains(group); }))
            check->setAside();
        else
            checks_.push_back(check);
    }
}

void Calls::begin(const CallPtr& call) {
    if (!call->isCheck())
        setChecksAside(*call);
    if (const auto error = refusal(call->groups())) {
        call->refuseUnbegun(*error);
        return around_.cameFree(); // it may have waited, and a look behind it
    }
    if (std::ranges::any_of(call->groups() | std::views::keys,
                            [this](unsigned group) { return group_(group).isLookedAt(); })) {
        waiting_.push_back(call);
        return;
    }
    call->reserve();
    if (call->isCheck()) {
        std::erase_if(checks_, [](const auto& known) { return known.expired(); });
        checks_.push_back(call);
    }
    around_.machine.readDrivers();
    // A check touches nothing, and so loads no modules.
    auto modules = call->isCheck() ? std::vector<std::string>{} : modulesToLoad(*call);
    if (modules.empty())
        return launch(call);
    modules_.load(std::move(modules), [this, call] {
        around_.changes.manager(); // NoIommu is a parameter of a module that may be loaded now
        launch(call);
    });
}

void Calls::groupsCameFree() {
    if (waiting_.empty())
        return;
    beginWaiting_ = around_.loop.soon([this] {
        for (const auto& call : std::exchange(waiting_, {}))
            begin(call);
    });
}

std::vector<std::string> Calls::modulesToLoad(const Call& call) const {
    const auto& drivers = around_.machine.drivers();
    std::set<std::string> modules;
    for (const auto& [group, wanted] : call.groups())
        for (const auto* device : around_.machine.topology().endpoints(group)) {
            if (wanted.action == Action::release) {
                for (const auto& module : modules_.native(device->ids).value_or(std::vector<std::string>{}))
                    if (!modules_.loaded(module))
                        modules.insert(module);
                continue;
            }
            const auto driver = wanted.driver == "auto" ? modules_.automatic(device->ids) : wanted.driver;
            if (!drivers.registered.contains(drivers.resolve(driver)))
                modules.insert(driver);
        }
    return {modules.begin(), modules.end()};
}

Drivers Calls::driversFor(unsigned group, const Wanted& wanted, bool check) const {
    Drivers drivers = around_.machine.drivers();
    // For a check, a driver that could be loaded counts as registered.
    const auto there = [&](const std::string& driver) {
        const bool loadable = check && !drivers.registered.contains(driver) && modules_.canLoad(driver);
        if (loadable)
            drivers.registered.insert(driver);
        return drivers.registered.contains(driver);
    };
    const auto* owned = around_.intent.owned(group);
    for (const auto* device : around_.machine.topology().endpoints(group)) {
        const auto& address = device->address;
        if (wanted.action == Action::release) {
            const bool known =
                owned != nullptr && owned->native.contains(address) && !owned->native.at(address).empty();
            if (known)
                drivers.native[address] = owned->native.at(address);
            else if (const auto native = modules_.native(device->ids); native && native->empty())
                drivers.driverless.insert(address);
            continue;
        }
        auto best = drivers.resolve(modules_.automatic(device->ids));
        if (best != "vfio-pci" && !there(best)) {
            spdlog::warn("{}: the variant driver {} is not there ({}); vfio-pci is taken", address.str(),
                         best, modules_.whyMissing(best));
            best = "vfio-pci";
        }
        drivers.automatic[address] = best;
        for (const auto& driver : {best, drivers.resolve(wanted.driver)})
            if (driver != "auto" && !there(driver))
                drivers.missing[driver] = modules_.whyMissing(driver);
    }
    return drivers;
}

std::vector<std::string> Calls::consolesOf(unsigned group) const {
    auto noted = around_.journals.consoles(group);
    if (noted)
        return std::move(*noted);
    spdlog::error("group {}: which consoles its bind has let go of is not known: {}", group,
                  noted.error().str());
    return {};
}

void Calls::launch(const CallPtr& call) {
    around_.machine.readDrivers();
    const auto kind = call->isCheck() ? WorkOrder::Kind::examine : WorkOrder::Kind::carryOut;
    std::vector<WorkOrder> orders;
    for (const auto& [group, wanted] : call->groups())
        orders.push_back({.kind = kind,
                          .group = group,
                          .wanted = wanted,
                          .drivers = driversFor(group, wanted, call->isCheck()),
                          .authorised = call->authorisedMembers(group),
                          .consoles = consolesOf(group)});
    try {
        auto works = around_.executor.startBatch(
            std::move(orders), around_.machine.topology(),
            [this](unsigned group, WorkMessage message) { group_(group).receive(std::move(message)); });
        auto work = works.begin();
        for (const auto group : call->groups() | std::views::keys)
            group_(group).look(std::move(*work++));
        group_(call->groups().begin()->first).lookBegun(); // for the others the worker sends LookBegun
    } catch (const std::system_error& error) {
        call->cannotLook(error.what());
    }
}

} // namespace vfiobind
