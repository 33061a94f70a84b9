// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the D-Bus objects and the JSON document show, as plain values: comparing two views shows what
/// changed.
#pragma once

#include "config/policy.h"
#include "guard/blocker.h"
#include "guard/holders.h"
#include "topology/device.h"

#include <cstdint>
#include <optional>
#include <set>
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
        std::uint64_t sinceUsec = 0;     ///< CLOCK_REALTIME
        std::optional<std::string> what; ///< what it is for, where the reader may know
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
        std::optional<bool> asked;                ///< `when = "asked"`; none where that is not known
        std::optional<std::set<Address>> matches; ///< none where nobody has looked
        bool operator==(const RuleView&) const = default;
    };
    std::vector<RuleView> rules;
    std::vector<std::uint32_t> jobs;
    bool operator==(const ManagerView&) const = default;
};

/// A job as the bus shows it.
struct JobView {
    std::uint32_t id = 0;
    std::string kind; ///< `bind`, `release`
    unsigned group = 0;
    std::string state = "running";                          ///< `running`, `stuck`
    std::vector<std::pair<std::string, std::string>> steps; ///< step, result so far
    std::uint64_t startedUsec = 0;                          ///< CLOCK_REALTIME
    bool operator==(const JobView&) const = default;
};

} // namespace vfiobind
