// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/plan.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind {
namespace {

bool isAllowed(const Wanted& wanted, const Blocker& blocker) {
    const auto* code = findBlockerCode(blocker.code);
    return code != nullptr && code->allowable &&
           std::ranges::find(wanted.allow, blocker.code) != wanted.allow.end();
}

std::string targetDriver(const Device& device, const Wanted& wanted, const Drivers& drivers) {
    if (wanted.driver != "auto")
        return drivers.resolve(wanted.driver);
    if (device.onVfio())
        return device.driver; // a variant or plain vfio-pci, bound already: accepted (case 17)
    const auto best = drivers.automatic.find(device.address);
    return best == drivers.automatic.end() ? "vfio-pci" : best->second;
}

/// Drivers with which other tools hand devices out. Taking a device from them would be taking it from that
/// tool.
bool isForeignDriver(std::string_view driver) {
    return driver == "pci-stub" || driver == "pciback" || driver == "xen-pciback" ||
           driver == "uio_pci_generic" || driver == "igb_uio";
}

/// Members that lack the same driver lack it for the same reason.
void addOnce(Blockers& blockers, Blocker blocker) {
    if (std::ranges::find(blockers, blocker) == blockers.end())
        blockers.push_back(std::move(blocker));
}

Blocker driverMissing(const std::string& driver, const Drivers& drivers) {
    const auto why = drivers.missing.find(driver);
    return {
        "driver-missing",
        {},
        why != drivers.missing.end()
            ? why->second
            : fmt::format("driver {} is not there: /sys/bus/pci/drivers/{} does not exist; load its module",
                          driver, driver)};
}

void addBindBlockers(Blockers& blockers, const Device& device, const std::string& target,
                     const Drivers& drivers) {
    const auto& address = device.address;
    if (!drivers.registered.contains(target))
        addOnce(blockers, driverMissing(target, drivers));
    if (device.driverOverride.known && !device.driverOverride.value.empty() &&
        device.driverOverride.value != target && !device.isVfios(device.driverOverride.value))
        blockers.push_back(
            {"foreign-driver-override", address,
             fmt::format("driver_override of {} holds '{}', which somebody else wrote; clear it, or allow "
                         "foreign-driver-override",
                         address.str(), device.driverOverride.value)});
    if (isForeignDriver(device.driver))
        blockers.push_back(
            {"foreign-driver", address,
             fmt::format("{} is on {}, where another tool has put it; release it there, or allow "
                         "foreign-driver",
                         address.str(), device.driver)});
}

void addVfBlocker(Blockers& blockers, const Device& device) {
    if (!device.virtualFunctions.empty())
        blockers.push_back(
            {"has-vfs", device.address,
             fmt::format("{} has {} virtual functions, which would be destroyed; name the VFs instead, or "
                         "write 0 to its sriov_numvfs first",
                         device.address.str(), device.virtualFunctions.size())});
}

/// Members that stay where they are, and whose drivers make the group not viable (doc/kernel.md 7, case 5).
void addViabilityBlockers(Blockers& blockers, unsigned group, const Topology& topology) {
    for (const auto& address : topology.findGroup(group)->members) {
        const auto* device = topology.find(address);
        const bool stays = !device->endpoint() || device->driver == "pci-pf-stub";
        if (stays && !keepsGroupViable(*device))
            blockers.push_back(
                {"not-viable", address,
                 fmt::format("{} of the same IOMMU group {} is used by {} and cannot be handed over; the "
                             "kernel would refuse the group",
                             address.str(), group, device->driver)});
    }
}

void planBind(GroupPlan& plan, Blockers& blockers, const Wanted& wanted, const Topology& topology,
              const Drivers& drivers) {
    for (const auto* device : topology.endpoints(plan.group)) {
        const auto target = targetDriver(*device, wanted, drivers);
        if (device->driver == target)
            continue;
        plan.members.push_back({.device = device->address,
                                .ids = device->ids,
                                .from = device->driver,
                                .to = target,
                                .override = target});
        addBindBlockers(blockers, *device, target, drivers);
        addVfBlocker(blockers, *device);
    }
    addViabilityBlockers(blockers, plan.group, topology);
}

void planRelease(GroupPlan& plan, Blockers& blockers, const Wanted& wanted, const Topology& topology,
                 const Drivers& drivers) {
    for (const auto* device : topology.endpoints(plan.group)) {
        const bool handedOver =
            device->onVfio() || (wanted.driver != "auto" && device->driver == drivers.resolve(wanted.driver));
        const auto& held = device->driverOverride;
        const bool overridden = held.known && (device->isVfios(held.value) ||
                                               (!held.value.empty() && held.value == wanted.driver));
        if (!handedOver && !overridden)
            continue;
        const auto native = drivers.native.find(device->address);
        MemberPlan member{.device = device->address, .ids = device->ids, .from = device->driver};
        if (!handedOver)
            member.to = device->driver; // only the override is to go
        else if (native != drivers.native.end() && drivers.registered.contains(native->second))
            member.to = native->second;
        member.driverExpected = !drivers.driverless.contains(device->address);
        plan.members.push_back(std::move(member));
        if (handedOver)
            addVfBlocker(blockers, *device);
    }
}

} // namespace

std::string Drivers::resolve(const std::string& name) const {
    if (registered.contains(name))
        return name;
    const auto plain = [](std::string text) {
        std::ranges::replace(text, '_', '-');
        return text;
    };
    for (const auto& candidate : registered)
        if (plain(candidate) == plain(name))
            return candidate;
    return name;
}

SysResult<Drivers> readDrivers(const Sysfs& sysfs) {
    auto names = sysfs.list("/sys/bus/pci/drivers");
    if (!names)
        return std::unexpected(names.error());
    Drivers drivers;
    drivers.registered.insert(names->begin(), names->end());
    return drivers;
}

GroupPlan planGroup(unsigned group, const Wanted& wanted, const Topology& topology, const Drivers& drivers,
                    const Blockers& found) {
    GroupPlan plan{.group = group,
                   .action = wanted.action,
                   .rule = wanted.rule,
                   .by = wanted.by,
                   .method = wanted.method,
                   .timeout = wanted.timeout};
    if (topology.findGroup(group) == nullptr)
        return plan;
    Blockers blockers = wanted.blockers;
    blockers.insert(blockers.end(), found.begin(), found.end());
    if (wanted.action == Action::bind)
        planBind(plan, blockers, wanted, topology, drivers);
    else
        planRelease(plan, blockers, wanted, topology, drivers);
    for (auto& blocker : blockers)
        (isAllowed(wanted, blocker) ? plan.overridden : plan.blockers).push_back(std::move(blocker));
    return plan;
}

std::vector<GroupPlan> plan(const Resolution& wanted, const Topology& topology, const Drivers& drivers,
                            const std::map<unsigned, Blockers>& found) {
    std::vector<GroupPlan> plans;
    for (const auto& [group, want] : wanted.groups) {
        const auto blockers = found.find(group);
        plans.push_back(planGroup(group, want, topology, drivers,
                                  blockers == found.end() ? Blockers{} : blockers->second));
    }
    return plans;
}

std::vector<std::string> GroupPlan::steps() const {
    std::vector<std::string> lines;
    for (const auto& m : members)
        lines.push_back(
            fmt::format("override {} {}", m.device.str(), m.override.empty() ? "(clear)" : m.override));
    if (action == Action::bind)
        for (const auto& console : consoles)
            lines.push_back("let-go " + console);
    for (const auto& m : members)
        if (!m.from.empty() && m.from != m.to)
            lines.push_back(fmt::format("unbind {} {}", m.device.str(), m.from));
    for (const auto& m : members) {
        if (m.from == m.to && !m.to.empty())
            continue;
        if (m.to.empty())
            lines.push_back(fmt::format("probe {}", m.device.str()));
        else
            lines.push_back(
                fmt::format("{} {} {}", method == Method::newId ? "new-id" : "bind", m.device.str(), m.to));
    }
    for (const auto& m : members)
        lines.push_back(fmt::format("verify {} {}", m.device.str(), m.to.empty() ? "native driver" : m.to));
    if (action == Action::release)
        for (const auto& console : consoles)
            lines.push_back("take-back " + console);
    return lines;
}

std::string GroupPlan::str() const {
    std::string text = fmt::format("group {}: {} ({})\n", group, verb(action), by);
    if (nothingToDo())
        return text + "  nothing to do\n";
    for (const auto& blocker : blockers)
        text += "  blocked by " + blocker.str() + '\n';
    for (const auto& blocker : overridden)
        text += "  allowed: " + blocker.str() + '\n';
    for (const auto& step : steps())
        text += "  " + step + '\n';
    return text;
}

} // namespace vfiobind
