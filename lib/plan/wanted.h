// SPDX-License-Identifier: LGPL-2.1-or-later
/// From rules and requests to what is wanted of each group.
#pragma once

#include "config/config.h"
#include "guard/blocker.h"
#include "topology/topology.h"

#include <chrono>
#include <expected>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

enum class Action { bind, release };

/// `bind` or `release`.
std::string_view verb(Action action);

/// What is to become of one group, and who says so.
struct Wanted {
    Action action = Action::bind;
    std::string rule;            ///< empty for a request that no rule stands behind
    std::string driver = "auto"; ///< "auto" or a driver's name
    Method method = Method::driverOverride;
    std::vector<std::string> allow; ///< blocker codes taken on oneself
    std::chrono::milliseconds timeout{30000};
    bool keep = false;                    ///< take it back when another program gave it to a native driver
    NodeAccess node;                      ///< who may open the group's node
    GiveBack giveBack = GiveBack::native; ///< when its last lease has ended
    std::vector<std::string> pauseUnits;  ///< to be stopped, in this order, before the guards look
    std::string by;                       ///< for the log: `rule guest-gpu`, `uid 1000 over D-Bus`
    Blockers blockers;                    ///< found while resolving: id-mismatch, ambiguous

    bool operator==(const Wanted&) const = default;
};

/// What a rule's `sriov-vfs` asks of a physical function.
struct VfOrder {
    unsigned count = 0;
    std::string driver = "vfio-pci"; ///< what the new functions' driver_override is to hold
    std::string by;                  ///< for the log: `rule nic`
    std::chrono::milliseconds timeout{30000};
    bool operator==(const VfOrder&) const = default;
};

/// What the rule, which has `sriov-vfs`, asks of each of its physical functions.
VfOrder vfOrderOf(const Rule& rule);

/// What the rules come to on this machine, now.
struct Resolution {
    std::map<unsigned, Wanted> groups; ///< wanted bound, by IOMMU group number
    /// Of rules with `when = "asked"`, by group number: how a group is to be bound once it is asked for. No
    /// group stands both here and in `groups`.
    std::map<unsigned, Wanted> asked;
    Blockers ungrouped;               ///< matched devices that have no IOMMU group
    std::vector<std::string> waiting; ///< rules that match nothing today (case 62)
    /// Of cards that a rule names by their place and that have gone from there: where they are now, a
    /// sentence each.
    std::vector<std::string> moved;
    std::map<std::string, std::set<Address>> devicesOfRules; ///< what each rule's selectors match
    /// By physical function; the functions themselves are devices.
    std::map<Address, VfOrder> virtualFunctions;
    std::map<Address, VfOrder> askedVirtualFunctions; ///< to be made once their rule is asked for
    bool operator==(const Resolution&) const = default;

    /// What the group's rule says, whether it is wanted always or when asked for; nullptr where no rule
    /// concerns it.
    const Wanted* ofRule(unsigned group) const;
};

/// Resolves every rule. A rule's group is wanted whole. Pure.
Resolution resolve(const Policy& policy, const Topology& topology);

/// Whether rules cannot tell the one from the other: a driver that comes or goes changes no resolution.
bool sameToRules(const Device& before, const Device& now);

/// What is wrong with the rules on this machine, so that they are refused when the configuration is read:
/// two rules that match one device or claim one group with different drivers (case 61), and a rule that
/// matches bridges only (case 65).
std::vector<ConfigError> contradictions(const Policy& policy, const Topology& topology);

/// Why a target of a bus request could not be resolved; the names are those of the D-Bus errors.
struct TargetError {
    enum class Kind { invalidArgument, noSuchDevice, noSuchGroup, noSuchRule };
    Kind kind = Kind::invalidArgument;
    std::string sentence;
};

/// What a request's target comes to.
struct Target {
    std::set<unsigned> groups; ///< those with at least one endpoint
    Blockers ungrouped;        ///< no-iommu, for devices that have no group
    /// Of a rule with `when = "asked"`: what is to be made first, by physical function. The groups of what is
    /// made are not among `groups`.
    std::map<Address, VfOrder> virtualFunctions;
};

/// Resolves a request's target: an address, a rule's name, an id pattern (`10de:1284`), `path:...` or
/// `group/22`.
std::expected<Target, TargetError> resolveTarget(std::string_view target, const Policy& policy,
                                                 const Topology& topology);

} // namespace vfiobind
