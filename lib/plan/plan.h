// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is to be done to one group so that it becomes as wanted.
#pragma once

#include "plan/wanted.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// What the plan needs to know of the kernel's drivers.
struct Drivers {
    std::set<std::string> registered;         ///< names in /sys/bus/pci/drivers
    std::map<Address, std::string> automatic; ///< what "auto" means for a device; vfio-pci where absent
    std::map<Address, std::string>
        native;                   ///< the driver to give a device back to; the kernel chooses where absent
    std::set<Address> driverless; ///< devices that no native driver exists for: none is expected at release
    std::map<std::string, std::string> missing; ///< why a driver could not be had, by driver name: a sentence

    /// Names of drivers and of their modules differ in `_` and `-`: gives the registered driver's name where
    /// there is one in either spelling, else the name itself (doc/kernel.md 11, case 18).
    std::string resolve(const std::string& name) const;
};

/// Reads the names of the registered PCI drivers.
SysResult<Drivers> readDrivers(const Sysfs& sysfs);

/// Where one device is to end.
struct MemberPlan {
    Address device;
    Ids ids;
    std::string from;           ///< driver it has now, empty for none
    std::string to;             ///< driver to bind; empty: the kernel chooses (drivers_probe)
    std::string override;       ///< what driver_override is to hold at the end; empty: unset
    bool driverExpected = true; ///< whether ending without a driver is a failure

    bool operator==(const MemberPlan&) const = default;
};

struct GroupPlan {
    unsigned group = 0;
    Action action = Action::bind;
    std::string rule;
    std::string by;
    Method method = Method::driverOverride;
    std::chrono::milliseconds timeout{30000};
    std::vector<MemberPlan> members; ///< only those that need a change
    /// Such as `vtcon1`: a bind lets go of them before the first unbind, a release takes them back at its
    /// end.
    std::vector<std::string> consoles;
    Blockers blockers;   ///< what forbids it
    Blockers overridden; ///< what would forbid it, had the caller not taken it on himself

    bool nothingToDo() const { return members.empty(); }
    bool blocked() const { return !blockers.empty() && !members.empty(); }

    /// The steps in order as text, one each: `override 0000:01:00.0 vfio-pci`, `unbind 0000:01:00.0 nouveau`,
    /// ...
    std::vector<std::string> steps() const;
    /// A heading, blockers, steps: for --dry-run, Check, logs and golden files.
    std::string str() const;
};

/// Plans one group. Pure. `found` are the blockers that the guards found; the plan adds those that follow
/// from its arguments (driver-missing, not-viable, has-vfs, foreign-driver-override), and sorts out the
/// allowed ones.
GroupPlan planGroup(unsigned group, const Wanted& wanted, const Topology& topology, const Drivers& drivers,
                    const Blockers& found = {});

/// Plans all wanted groups.
std::vector<GroupPlan> plan(const Resolution& wanted, const Topology& topology, const Drivers& drivers,
                            const std::map<unsigned, Blockers>& found = {});

} // namespace vfiobind
