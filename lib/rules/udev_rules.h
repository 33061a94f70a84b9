// SPDX-License-Identifier: LGPL-2.1-or-later
/// The policy as udev can apply it: static rules that keep native drivers off, and what the rules of
/// `70-vfio-bind.rules` import for a group's node. Text only; nothing here touches a file.
#pragma once

#include "config/policy.h"
#include "plan/wanted.h"
#include "topology/topology.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace vfiobind {

inline constexpr std::string_view udevRulesFile = "/run/udev/rules.d/10-vfio-bind.rules";

struct UdevRules {
    std::string text;                 ///< empty where there is nothing to say: no file then
    std::vector<std::string> leftOut; ///< what could not be written safely, one sentence each
};

/// What driver "auto" means for a device that is not here yet. Subsystem and class are zero where the
/// selector does not tell them.
using AutomaticDriver = std::function<std::string(const Ids&)>;

/// A device that stands here, or stood here, and is to be handed over.
struct TakenDevice {
    Device device;
    std::string driver;
};

/// The rules for udev(7). They set `driver_override` of devices that have neither a driver nor an override,
/// before udev loads a module for them and, on hotplug, before the kernel probes the drivers that are loaded
/// (kernel.md 4).
///
/// What has a driver is left alone by every rule: it may be in use, and the guards look before it is taken.
/// `left` are devices without a driver that the guards have refused; they are passed over by address and ids,
/// whatever selector fits. `taken` are members of groups that the guards have let go: those that no selector
/// reaches (a group is taken whole) are listed by address and ids. No selector is written for a rule whose
/// verdict depends on more than the one device: with `count`, with `method = "new-id"` (which is to do
/// without overrides), and with `sriov-vfs` (which names the PF, and means its VFs).
UdevRules udevRules(const Policy& policy, const std::vector<TakenDevice>& taken,
                    const std::vector<Device>& left, const AutomaticDriver& automatic);

/// Name and access of each wanted group's node, as `IMPORT{file}` reads it (udev(7)), by group number; only
/// groups that a rule wants. A rule's name is the name of its group's node; where the rule has several
/// groups, the first in order of address has it, and the others `name-0000:06:00.1` after their first device.
std::map<unsigned, std::string> nodeImports(const Policy& policy, const Topology& topology,
                                            const Resolution& resolution);

/// The options for `modprobe.d(5)` that `[vfio-pci]` asks for; empty where it asks for none.
std::string moduleOptionLines(const ModuleOptions& options);

} // namespace vfiobind
