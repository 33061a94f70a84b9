// SPDX-License-Identifier: LGPL-2.1-or-later
/// A machine as JSON: read through the seam, so that a FakeKernel can be made that is its twin.
#pragma once

#include "sysfs/sysfs.h"

#include "fake/fake_kernel.h"

#include <nlohmann/json.hpp>
#include <string>

namespace vfiobind::twin {

inline const std::string devicesDirectory = "/sys/bus/pci/devices/";
inline const std::string driversDirectory = "/sys/bus/pci/drivers/";

/// Describes the machine behind the seam: devices in an order in which parents come first, drivers with as
/// much of their id tables as the machine's devices need (from modules.alias; of compiled-in drivers what
/// they are bound to), IOMMU groups. The format is that of tests/bus/machine_file.h, with `groups` added.
/// Throws std::runtime_error with what could not be read.
nlohmann::json describe(const Sysfs& sysfs);

/// The twin. `file` holds what describe() gave.
FakeKernel makeTwin(const std::string& file);

/// The addresses that the scenarios are played with.
struct Roles {
    std::string display, audio; ///< two functions of one card, alone in their group
    std::string twinA, twinB;   ///< two NICs of the same ids, each alone in its group, with a native driver
    std::string bridge, nicA, nicB; ///< a bridge to a conventional bus and what is behind it, one group
    std::string pf;         ///< a PF of four VFs or more, with a native driver that has sriov_configure
    std::string vf0, vf1;   ///< its first VFs, which are not there yet
    std::string hostBridge; ///< class 0600, no driver, alone in its group
    std::string rootPort;   ///< above twinA
};

/// Finds them in a description. Throws std::runtime_error that names the role that nobody can play.
Roles rolesOf(const nlohmann::json& description);

} // namespace vfiobind::twin
