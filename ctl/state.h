// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the daemon says of the machine, as plain values: everything that is printed is made from these.
/// The members bear the names of the D-Bus properties (see org.vfiobind1(5) and dbus/*.xml).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace vfiobind::ctl {

struct BlockerState {
    std::string code;
    std::string device; ///< address, or empty
    std::string sentence;
    bool operator==(const BlockerState&) const = default;
};

struct HolderState {
    std::uint32_t pid = 0;
    std::string command;
    bool operator==(const HolderState&) const = default;
};

struct LeaseState {
    std::uint32_t uid = 0;
    std::uint64_t since = 0; ///< CLOCK_REALTIME, microseconds
    bool operator==(const LeaseState&) const = default;
};

struct RuleState {
    std::string name;
    std::string driver;
    std::vector<std::string> selectors;
    bool operator==(const RuleState&) const = default;
};

/// A file of the configuration whose `[match]` does not hold on the machine.
struct AbsentFile {
    std::string file;
    std::string why; ///< `it is for host "gpu*", and this is "node7"`
    bool operator==(const AbsentFile&) const = default;
};

struct ManagerState {
    std::string version;
    std::string iommu; ///< "none" where there is none
    bool noIommu = false;
    std::vector<std::string> configFiles;
    std::string configError; ///< empty if all is well
    std::vector<std::string> warnings;
    std::vector<RuleState> rules;
    std::vector<AbsentFile> absentFiles;
    bool operator==(const ManagerState&) const = default;
};

struct DeviceState {
    std::string objectPath;
    std::string address;
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint16_t subsystemVendor = 0;
    std::uint16_t subsystemDevice = 0;
    std::uint32_t classCode = 0; ///< 24 bits
    std::string vendorName;
    std::string deviceName;
    std::string driver;
    std::string driverOverride;
    std::vector<std::string> nativeModules;
    std::string group; ///< object path, "/" if none
    bool bootVga = false;
    std::vector<std::string> resetMethods;
    std::int32_t numaNode = -1;
    std::string path;   ///< bridge path
    std::string serial; ///< PCI Express serial number; empty: none, or not known
    std::string vfioDevice;
    std::string physicalFunction; ///< object path, "/" if none
    std::vector<std::string> virtualFunctions;
    bool operator==(const DeviceState&) const = default;

    std::string id() const; ///< `10de:1284`
    std::string
    name() const; ///< vendor and device as the hardware database has them; empty if it has neither
};

struct GroupState {
    std::string objectPath;
    std::uint32_t number = 0;
    std::string state;
    bool viable = false;
    std::vector<std::string> devices; ///< object paths
    std::string rule;
    std::string driver;
    std::string node;
    std::string type;
    std::vector<BlockerState> blockers;
    std::vector<HolderState> holders;
    std::vector<LeaseState> leases; ///< the oldest first
    std::string lastError;
    std::string job; ///< object path, "/" if none
    bool operator==(const GroupState&) const = default;

    /// Whether there is anything to say of the group: a rule wants it, or it is not simply with its native
    /// drivers.
    bool ofInterest() const;
};

/// A step and its result so far.
using JobStep = std::pair<std::string, std::string>;

struct JobState {
    std::string objectPath;
    std::uint32_t id = 0;
    std::string kind;
    std::string group; ///< object path
    std::string state;
    std::vector<JobStep> steps;
    std::uint64_t started = 0; ///< CLOCK_REALTIME, microseconds
    bool operator==(const JobState&) const = default;
};

/// Whether the result is one that a step gets when it has ended.
bool stepEnded(const std::string& result);

/// A rule that no group bears today.
struct IdleRule {
    RuleState rule;
    std::vector<std::string> matches; ///< the object paths of what it matches all the same
};

/// Everything, by object path.
struct Snapshot {
    ManagerState manager;
    std::map<std::string, GroupState> groups;
    std::map<std::string, DeviceState> devices;
    std::map<std::string, JobState> jobs;
    std::vector<IdleRule> idleRules; ///< of Client::status()

    /// The groups in order of their number.
    std::vector<const GroupState*> groupsInOrder() const;
    /// The members of a group that are known, in order of address.
    std::vector<const DeviceState*> members(const GroupState& group) const;
    /// The rules that no group bears.
    std::vector<RuleState> rulesWithoutGroup() const;
    /// The devices that are in no group, in order of address.
    std::vector<const DeviceState*> groupless() const;
};

/// `0000:01:00.0` for the object path of a device that is known, else the path.
std::string addressAt(const Snapshot& snapshot, const std::string& path);

} // namespace vfiobind::ctl
