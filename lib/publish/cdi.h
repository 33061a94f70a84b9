// SPDX-License-Identifier: LGPL-2.1-or-later
/// The Container Device Interface: by such a spec podman, docker, containerd, CRI-O and Kata give a container
/// the groups that it names. https://github.com/cncf-tags/container-device-interface/blob/main/SPEC.md
#pragma once

#include "config/publish_options.h"
#include "rules/group_names.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// A group that a container can be given.
struct CdiDevice {
    std::string name; ///< of cdiNames()
    /// `/dev/vfio/22`, or the cdevs, as CdiNodes says: nodes, never links, which the readers refuse.
    std::vector<std::string> nodes;
    bool operator==(const CdiDevice&) const = default;
};

/// Whether CDI takes the name of a device: `[A-Za-z0-9_.:-]`, first and last a letter or a digit.
bool isCdiName(std::string_view name);

/// The names of all groups by number, no two alike: groupNames(), where CDI takes it, else `rule-` and what
/// CDI takes of it; `group-22` for a group without a rule. Give it every group that a rule wants, bound or
/// not, since which of a rule's groups has the plain name depends on all of them.
std::map<unsigned, std::string> cdiNames(const std::vector<RuleGroup>& groups);

/// The spec as JSON, with the newline at its end, with what all devices need besides their own nodes. Empty
/// where there is no device: a spec without one is invalid, and no file is the way to say so. It says 0.5.0,
/// the newest that Debian 12's library knows.
std::string cdiSpec(std::string_view kind, CdiNodes way, const std::vector<CdiDevice>& devices);

} // namespace vfiobind
