// SPDX-License-Identifier: LGPL-2.1-or-later
/// A machine as `vfio-bindctl groups --json` describes it, vfio-bindctl(1) has the schema: what a policy can
/// be tried on without the machine.
#pragma once

#include "config/host_facts.h"
#include "topology/topology.h"

#include <expected>
#include <string>
#include <string_view>

namespace vfiobind::ctl {

/// Of the schema. Keys are added under the same number; a reader passes over those that it does not know.
inline constexpr int machineVersion = 1;

struct MachineDescription {
    Topology topology;
    HostFacts facts; ///< for `[match]`; machine-id and the kernel command line are never in a description
};

/// The error is a sentence that says what is wrong and what would be right.
std::expected<MachineDescription, std::string> readMachine(std::string_view json);

} // namespace vfiobind::ctl
