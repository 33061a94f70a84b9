// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/group.h"

#include "doctor/machine.h"
#include "guard/guard.h"
#include "guard/look.h"
#include "pci/capabilities.h"
#include "pci/ids.h"
#include "plan/plan.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>
#include <sstream>
#include <unistd.h>

namespace vfiobind::ctl {
namespace {

constexpr std::size_t wholeConfig = 4096;

std::optional<Capabilities> capabilitiesOf(const Sysfs& sysfs, const Device& device) {
    const auto config = sysfs.read(device.sysfsPath() + "/config", wholeConfig);
    return config ? readCapabilities(*config) : std::nullopt;
}

/// Why what is behind a bridge is in the bridge's own group.
std::string whyNotIsolated(const Sysfs& sysfs, const Device& bridge, bool root) {
    const auto capabilities = capabilitiesOf(sysfs, bridge);
    if (!capabilities)
        return root ? "why cannot be told: the bridge's capabilities cannot be read"
                    : "why cannot be told: only root can read the bridge's capabilities";
    if (!capabilities->port || capabilities->port == PortType::toConventional)
        return "behind it is a conventional PCI bus, whose devices cannot be told apart";
    if (!capabilities->extendedRead)
        return "why cannot be told: the bridge's extended configuration space is not there to be read";
    if (!capabilities->acs)
        return "it has no ACS (Access Control Services), so the devices behind it could reach each "
               "other";
    if (!capabilities->isolates())
        return "its ACS (Access Control Services) is not switched on";
    return "its ACS is on, so the reason is above it or in the devices";
}

std::string slot(const Device& device) {
    const auto text = device.address.str();
    return text.substr(0, text.rfind('.'));
}

void addIsolation(Findings& findings, const Sysfs& sysfs, const Topology& topology, unsigned group,
                  bool root) {
    std::vector<const Device*> endpoints = topology.endpoints(group);
    const auto& members = topology.findGroup(group)->members;
    if (members.size() == 1) {
        findings.push_back(
            {Level::ok, "isolation", {}, fmt::format("group {} has no other member", group), ""});
        return;
    }
    std::vector<std::string> names;
    for (const auto* device : endpoints)
        names.push_back(device->address.str());
    if (endpoints.size() > 1)
        findings.push_back(
            {Level::note,
             "isolation",
             {},
             fmt::format("group {} is handed over as a whole: {}", group, fmt::join(names, ", ")),
             ""});
    else
        findings.push_back({Level::ok,
                            "isolation",
                            {},
                            fmt::format("of group {} only {} is handed over; the others are bridges", group,
                                        fmt::join(names, ", ")),
                            ""});
    std::set<std::string> slots;
    for (const auto* device : endpoints)
        slots.insert(slot(*device));
    if (slots.size() < 2)
        return; // functions of one card
    bool told = false;
    for (const auto& address : members) {
        const auto* device = topology.find(address);
        if (!device->bridge)
            continue;
        told = true;
        findings.push_back({Level::note, "isolation", address,
                            fmt::format("the bridge {} is in group {} too: {}", address.str(), group,
                                        whyNotIsolated(sysfs, *device, root)),
                            "try another slot, or a firmware setting for ACS"});
    }
    if (!told)
        findings.push_back(
            {Level::note,
             "isolation",
             {},
             fmt::format("group {} spans several slots and has no bridge in it: the bridge above them "
                         "does not tell them apart",
                         group),
             "try another slot"});
}

void addReset(Findings& findings, const Sysfs& sysfs, const Topology& topology, const Device& device) {
    const auto methods = readIfThere(sysfs, device.sysfsPath() + "/reset_method", 256);
    if (!methods) {
        findings.push_back({Level::warning, "reset", device.address,
                            "the ways to reset it could not be read: " + methods.error().str(), ""});
        return;
    }
    if (methods->empty()) {
        findings.push_back(
            {Level::warning, "reset", device.address,
             fmt::format("{} cannot be reset: when its VM ends, it may stay unusable until the machine "
                         "is started again",
                         device.address.str()),
             "look for a module that resets this model (vendor-reset for some AMD GPUs)"});
        return;
    }
    findings.push_back({Level::ok, "reset", device.address,
                        fmt::format("{} can be reset ({})", device.address.str(), *methods), ""});
    if (*methods != "bus")
        return;
    // A bus reset hits what is on the bus, whatever group it is in.
    std::vector<std::string> others;
    for (const auto& [address, other] : topology.devices())
        if (address.domain == device.address.domain && address.bus == device.address.bus &&
            other.group != device.group)
            others.push_back(address.str());
    if (!others.empty())
        findings.push_back(
            {Level::warning, "reset", device.address,
             fmt::format("resetting {} also resets {}, which {} in another group", device.address.str(),
                         fmt::join(others, ", "), others.size() == 1 ? "is" : "are"),
             "do not give these to another VM or leave them to the host at the same time"});
}

void addInterrupts(Findings& findings, const Sysfs& sysfs, const Device& device, bool root) {
    const auto capabilities = capabilitiesOf(sysfs, device);
    const auto name = device.address.str();
    if (!capabilities)
        findings.push_back(
            {Level::note, "msi", device.address,
             fmt::format("whether {} has MSI or MSI-X cannot be told: {} read its capabilities", name,
                         root ? "nobody can" : "only root can"),
             root ? "" : "run it as root"});
    else if (!capabilities->msi() && !capabilities->msix())
        findings.push_back(
            {Level::warning, "msi", device.address,
             fmt::format("{} has neither MSI nor MSI-X: Cloud Hypervisor cannot use it, and QEMU has to "
                         "share an interrupt line",
                         name),
             ""});
    else if (!capabilities->msix() && device.ids.vendor == pcivendor::nvidia &&
             device.ids.baseClass() == pciclass::display)
        findings.push_back(
            {Level::note, "msi", device.address,
             fmt::format("{} has MSI but not MSI-X, which NVIDIA's own driver wants in a guest of Cloud "
                         "Hypervisor; QEMU is not concerned",
                         name),
             ""});
    else
        findings.push_back({Level::ok, "msi", device.address,
                            fmt::format("{} has {}", name,
                                        !capabilities->msix() ? "MSI"
                                        : capabilities->msi() ? "MSI and MSI-X"
                                                              : "MSI-X"),
                            ""});
}

/// NVIDIA's driver keeps a card's state loaded while nvidia-persistenced has it open, or, in the older way,
/// while it is told to: then an unbind waits for ever.
void addPersistence(Findings& findings, const Sysfs& sysfs, const Device& device) {
    if (device.driver != "nvidia")
        return;
    const auto name = device.address.str();
    const bool runs = sysfs.exists("/run/nvidia-persistenced/socket") ||
                      sysfs.exists("/var/run/nvidia-persistenced/socket");
    if (runs)
        findings.push_back(
            {Level::warning, "persistence", device.address,
             fmt::format(
                 "nvidia-persistenced runs, which has every card of nvidia's driver open: {} is refused as "
                 "in use until it has ended",
                 name),
             "systemctl stop nvidia-persistenced, or pause-units = [\"nvidia-persistenced.service\"] in its "
             "rule"});
    else
        findings.push_back({Level::note, "persistence", device.address,
                            fmt::format("if nvidia's persistence mode is on for {} (nvidia-smi -q says so; "
                                        "no file does), its driver "
                                        "may not let go of it",
                                        name),
                            fmt::format("nvidia-smi -i {} -pm 0, which is reported to help", name)});
}

/// The driver that a rule names; that vfio-pci is there has been looked at before. The daemon loads its
/// module before it binds.
void addDriver(Findings& findings, const Sysfs& sysfs, Drivers& drivers, const std::string& driver) {
    drivers.registered.insert("vfio-pci");
    if (driver == "auto" || drivers.registered.contains(drivers.resolve(driver)))
        return;
    findings.push_back(moduleFinding(sysfs, driver));
    drivers.registered.insert(driver);
}

/// What a bind would meet.
void addBlockers(Findings& findings, const Sysfs& sysfs, Topology topology, unsigned group, bool root,
                 const Wanted& wanted) {
    for (const auto* device : topology.endpoints(group)) {
        const auto address = device->address;
        if (auto held = readDriverOverride(sysfs, address))
            topology.setOverride(address, std::move(*held));
        else if (!isGone(held.error()))
            findings.push_back({Level::warning, "foreign-driver-override", address,
                                "its override could not be read: " + held.error().str(), ""});
    }
    auto drivers = readDrivers(sysfs).value_or(Drivers{});
    addDriver(findings, sysfs, drivers, wanted.driver);
    const auto found = inspect(sysfs, topology, group, Action::bind);
    const auto plan = planGroup(group, wanted, topology, drivers, forReader(found.blockers, getuid()));
    if (plan.nothingToDo()) {
        findings.push_back({Level::ok,
                            "blockers",
                            {},
                            fmt::format("group {} is with VFIO already{}", group,
                                        found.holders.empty() ? "" : ", and in use"),
                            ""});
        return;
    }
    for (const auto& blocker : plan.blockers) {
        const auto* code = findBlockerCode(blocker.code);
        const bool allowable = code != nullptr && code->allowable;
        findings.push_back({blocker.seen ? Level::error : Level::warning, blocker.code, blocker.device,
                            blocker.sentence,
                            !blocker.seen ? std::string(root ? "" : "run it as root")
                            : allowable   ? fmt::format("or override it: --allow {}", blocker.code)
                                          : "",
                            !blocker.seen});
    }
    for (const auto& blocker : plan.overridden)
        findings.push_back(
            {Level::note, blocker.code, blocker.device, wanted.by + " allows it: " + blocker.sentence, ""});
    if (plan.blockers.empty() && plan.overridden.empty())
        findings.push_back({Level::ok, "blockers", {}, fmt::format("nothing uses group {}", group), ""});
}

} // namespace

Findings groupFindings(const Sysfs& sysfs, const Topology& topology, unsigned group, bool root,
                       const Wanted& wanted) {
    Findings findings;
    addIsolation(findings, sysfs, topology, group, root);
    addBlockers(findings, sysfs, topology, group, root, wanted);
    for (auto& finding : nativeModuleFindings(sysfs, topology.endpoints(group)))
        findings.push_back(std::move(finding));
    for (const auto* device : topology.endpoints(group)) {
        addReset(findings, sysfs, topology, *device);
        addInterrupts(findings, sysfs, *device, root);
        addPersistence(findings, sysfs, *device);
    }
    return findings;
}

} // namespace vfiobind::ctl
