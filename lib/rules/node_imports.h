// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the rules of `70-vfio-bind.rules` import for the nodes by which a program takes a group, or one of
/// its devices. Text only; nothing here touches a file.
#pragma once

#include "config/policy.h"
#include "pci/address.h"
#include "plan/wanted.h"
#include "topology/topology.h"

#include <map>
#include <string>

namespace vfiobind {

/// Name and access of nodes, as `IMPORT{file}` reads them (udev(7)).
struct NodeImports {
    std::map<unsigned, std::string> groups; ///< of `/dev/vfio/22`, by group number
    std::map<Address, std::string> devices; ///< of `/dev/vfio/devices/vfio0`, the cdev of each endpoint
    bool operator==(const NodeImports&) const = default;
};

/// For the groups that a rule wants, always or when asked. The names of groups are those of groupNames();
/// those of devices are made alike, and udev's rule appends `.cdev`: a rule's first device in order of
/// address has the rule's name, the others are called `name-0000:01:00.1`.
NodeImports nodeImports(const Policy& policy, const Topology& topology, const Resolution& resolution);

} // namespace vfiobind
