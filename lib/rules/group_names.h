// SPDX-License-Identifier: LGPL-2.1-or-later
/// The names by which a rule's groups are known outside: the nodes in /dev/vfio/by-name, and what is
/// published.
#pragma once

#include "pci/address.h"
#include "plan/wanted.h"
#include "topology/topology.h"

#include <map>
#include <string>
#include <vector>

namespace vfiobind {

/// A group and the rule that it belongs to.
struct RuleGroup {
    unsigned number = 0;
    std::string rule; ///< empty where there is none
    Address first;    ///< of its endpoints the first in order of address
};

/// The groups that a rule wants, always or when asked, whose endpoints are there.
std::vector<RuleGroup> groupsOfRules(const Topology& topology, const Resolution& resolution);

/// Names by group number. A rule's name is the name of its first group in order of address; the rule's other
/// groups are called `name-0000:06:00.1`, after their first device. Groups without a rule have no name.
std::map<unsigned, std::string> groupNames(const std::vector<RuleGroup>& groups);

} // namespace vfiobind
