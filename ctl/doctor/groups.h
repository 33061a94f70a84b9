// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl groups: the IOMMU groups of the machine, without the daemon.
#pragma once

#include "config/host_facts.h"
#include "exit_code.h"
#include "options.h"
#include "sysfs/sysfs.h"
#include "text.h"
#include "topology/topology.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// One line of the listing.
struct ListedDevice {
    Device device;
    std::string kind; ///< `VGA compatible controller`
    std::string name; ///< vendor and model
    std::vector<std::string> resetMethods;
    std::optional<bool> msi; ///< none where the capabilities may not be read
    std::optional<bool> msix;
};

struct GroupListing {
    struct Group {
        unsigned number = 0;
        std::string type; ///< `DMA-FQ`
        std::vector<ListedDevice> devices;
    };
    std::vector<Group> groups;           ///< in order of number
    std::vector<ListedDevice> groupless; ///< devices that no IOMMU has
    HostFacts host;                      ///< what the machine is, for the description
};

/// What a device is and how it is called; from hwdb(7) in the program.
struct DeviceNames {
    std::function<std::string(const Ids&)> kind;
    std::function<std::string(const Ids&)> name;
};

SysResult<GroupListing> listGroups(const Sysfs& sysfs, const DeviceNames& names);

/// A tree; R, M and X mark what can be reset, has MSI, has MSI-X.
std::string renderGroups(const GroupListing& listing, const Style& style);

/// The machine's description, of version machineVersion; vfio-bindctl(1) has the schema.
std::string groupsJson(const GroupListing& listing);

ExitCode runGroups(const Options& options);

} // namespace vfiobind::ctl
