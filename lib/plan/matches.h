// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the selectors of rules match on this machine.
#pragma once

#include "config/policy.h"
#include "guard/blocker.h"
#include "topology/topology.h"

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace vfiobind {

struct RuleMatches {
    std::set<Address> devices;                     ///< endpoints that are wanted
    std::set<Address> bridges;                     ///< matched, but never handed over
    std::set<Address> physicalFunctions;           ///< of a rule with sriov-vfs: their VFs are wanted
    std::map<Address, const Selector*> otherCards; ///< selector that names the slot, by device
    std::vector<bool> found;                       ///< of each selector, whether something is where it says
    std::map<std::string, std::set<Address>> ofSerial; ///< by serial number, where a selector names one
};

/// Of each of the rules, which have to outlive the result. The time is linear in the selectors and devices.
std::vector<RuleMatches> matchRules(std::span<const Rule> rules, const Topology& topology);

/// Two cards with one serial number that a rule takes for one: a blocker `ambiguous` for each device of them.
Blockers serialsOfSeveralCards(const Rule& rule, const RuleMatches& matches, const Topology& topology);

/// Finds where a card has gone that a rule names by its place.
class CardFinder {
public:
    explicit CardFinder(const Topology& topology);
    /// ` 10de:1284 is at 0000:02:00.0 now`, with what comes before it; empty where the selector does not say
    /// which card it is, or no such card is there.
    std::string whereNow(const Selector& selector) const;

private:
    const Topology& topology_;
    std::map<std::string, std::vector<const Device*>> byWhat_;
};

/// Of a device that no IOMMU has.
Blocker noIommu(const Address& device);

/// What is said of a rule or target that matches nothing but bridges, with what is behind them.
std::string onlyBridges(const std::set<Address>& bridges, const Topology& topology);

/// The addresses, at most eight, and how many more.
std::string listed(const std::set<Address>& addresses);

} // namespace vfiobind
