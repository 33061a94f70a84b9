// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the D-Bus objects and the JSON document show, as plain values: comparing two views shows what
/// changed.
#pragma once

#include "config/policy.h"
#include "group/job.h"
#include "guard/blocker.h"
#include "guard/holders.h"
#include "topology/device.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind {

struct GroupView {
    unsigned number = 0;
    std::string state = "native";
    bool viable = false;
    std::vector<Address> devices;
    std::string rule;
    std::string driver;
    std::string node;
    Blockers blockers;
    std::vector<Holder> holders;
    struct LeaseView {
        std::uint32_t uid = 0;
        std::uint64_t sinceUsec = 0; ///< CLOCK_REALTIME
        bool operator==(const LeaseView&) const = default;
    };
    std::vector<LeaseView> leases; ///< the oldest first
    std::string lastError;
    std::uint32_t job = 0; ///< 0 for none
    bool operator==(const GroupView&) const = default;
};

struct DeviceView {
    Device device;
    std::string vfioDevice;
    bool operator==(const DeviceView&) const = default;
};

/// What does not change while the device is there: read when somebody asks.
struct DeviceDetails {
    std::string vendorName;
    std::string deviceName;
    std::vector<std::string> nativeModules;
    bool bootVga = false;
    std::vector<std::string> resetMethods;
    int numaNode = -1;
};

struct ManagerView {
    std::string version;
    std::string iommu;
    bool noIommu = false;
    std::vector<std::string> configFiles;
    std::vector<UnmatchedFile> absentFiles;
    std::string configError;
    std::vector<std::string> warnings;
    struct RuleView {
        std::string name;
        std::string driver;
        std::vector<std::string> selectors;
        bool asked = false; ///< `when = "asked"`
        bool operator==(const RuleView&) const = default;
    };
    std::vector<RuleView> rules;
    std::vector<std::uint32_t> jobs;
    bool operator==(const ManagerView&) const = default;
};

class Core;

DeviceView deviceView(const Core& core, const Address& address);
DeviceDetails deviceDetails(const Core& core, const Address& address);
GroupView groupView(const Core& core, unsigned group);
/// /sys/kernel/iommu_groups/N/type; empty if the kernel has no such file.
std::string groupType(const Core& core, unsigned group);
ManagerView managerView(const Core& core);
std::vector<std::uint32_t> jobIds(const Core& core);

} // namespace vfiobind
