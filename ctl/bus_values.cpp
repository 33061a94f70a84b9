// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus_values.h"

namespace vfiobind::ctl {

namespace {

template <typename T>
void take(const bus::PropertyMap& properties, const char* name, T& value) {
    if (const auto found = properties.find(bus::PropertyName{name}); found != properties.end())
        value = found->second.get<T>();
}

void takePath(const bus::PropertyMap& properties, const char* name, std::string& value) {
    sdbus::ObjectPath path{value};
    take(properties, name, path);
    value = path;
}

void takePaths(const bus::PropertyMap& properties, const char* name, std::vector<std::string>& value) {
    if (!properties.contains(bus::PropertyName{name}))
        return;
    std::vector<sdbus::ObjectPath> paths;
    take(properties, name, paths);
    value.assign(paths.begin(), paths.end());
}

/// Takes an array of structs, each turned into a plain value.
template <typename Struct, typename Value, typename Convert>
void takeStructs(const bus::PropertyMap& properties, const char* name, std::vector<Value>& values,
                 Convert convert) {
    if (!properties.contains(bus::PropertyName{name}))
        return;
    std::vector<Struct> structs;
    take(properties, name, structs);
    values.clear();
    for (const Struct& item : structs)
        values.push_back(convert(item));
}

template <typename State>
void takeOverTo(const std::string& path, const bus::PropertyMap& properties,
                std::map<std::string, State>& states) {
    State& state = states[path];
    state.objectPath = path;
    takeOver(properties, state);
}

BlockerState toBlocker(const BlockerStruct& item) {
    return {std::get<0>(item), std::get<1>(item), std::get<2>(item)};
}

} // namespace

std::vector<BlockerState> toBlockers(const std::vector<BlockerStruct>& structs) {
    std::vector<BlockerState> result;
    for (const BlockerStruct& item : structs)
        result.push_back(toBlocker(item));
    return result;
}

void takeOver(const bus::PropertyMap& properties, ManagerState& manager) {
    take(properties, "Version", manager.version);
    take(properties, "Iommu", manager.iommu);
    take(properties, "NoIommu", manager.noIommu);
    take(properties, "ConfigFiles", manager.configFiles);
    take(properties, "ConfigError", manager.configError);
    take(properties, "Warnings", manager.warnings);
    using FileStruct = sdbus::Struct<std::string, std::string>;
    takeStructs<FileStruct>(properties, "AbsentFiles", manager.absentFiles, [](const FileStruct& item) {
        return AbsentFile{std::get<0>(item), std::get<1>(item)};
    });
    using RuleStruct = sdbus::Struct<std::string, std::string, std::vector<std::string>>;
    takeStructs<RuleStruct>(properties, "Rules", manager.rules, [](const RuleStruct& item) {
        return RuleState{std::get<0>(item), std::get<1>(item), std::get<2>(item)};
    });
}

void takeOver(const bus::PropertyMap& properties, GroupState& group) {
    take(properties, "Number", group.number);
    take(properties, "State", group.state);
    take(properties, "Viable", group.viable);
    takePaths(properties, "Devices", group.devices);
    take(properties, "Rule", group.rule);
    take(properties, "Driver", group.driver);
    take(properties, "Node", group.node);
    take(properties, "Type", group.type);
    takeStructs<BlockerStruct>(properties, "Blockers", group.blockers, toBlocker);
    using HolderStruct = sdbus::Struct<std::uint32_t, std::string>;
    takeStructs<HolderStruct>(properties, "Holders", group.holders, [](const HolderStruct& item) {
        return HolderState{std::get<0>(item), std::get<1>(item)};
    });
    using LeaseStruct = sdbus::Struct<std::uint32_t, std::uint64_t>;
    takeStructs<LeaseStruct>(properties, "Leases", group.leases, [](const LeaseStruct& item) {
        return LeaseState{std::get<0>(item), std::get<1>(item)};
    });
    take(properties, "LastError", group.lastError);
    takePath(properties, "Job", group.job);
}

void takeOver(const bus::PropertyMap& properties, DeviceState& device) {
    take(properties, "Address", device.address);
    take(properties, "Vendor", device.vendor);
    take(properties, "Device", device.device);
    take(properties, "SubsystemVendor", device.subsystemVendor);
    take(properties, "SubsystemDevice", device.subsystemDevice);
    take(properties, "Class", device.classCode);
    take(properties, "VendorName", device.vendorName);
    take(properties, "DeviceName", device.deviceName);
    take(properties, "Driver", device.driver);
    take(properties, "DriverOverride", device.driverOverride);
    take(properties, "NativeModules", device.nativeModules);
    takePath(properties, "Group", device.group);
    take(properties, "BootVga", device.bootVga);
    take(properties, "ResetMethods", device.resetMethods);
    take(properties, "NumaNode", device.numaNode);
    take(properties, "Path", device.path);
    take(properties, "Serial", device.serial);
    take(properties, "VfioDevice", device.vfioDevice);
    takePath(properties, "PhysicalFunction", device.physicalFunction);
    takePaths(properties, "VirtualFunctions", device.virtualFunctions);
}

void takeOver(const bus::PropertyMap& properties, JobState& job) {
    take(properties, "Id", job.id);
    take(properties, "Kind", job.kind);
    takePath(properties, "Group", job.group);
    take(properties, "State", job.state);
    using StepStruct = sdbus::Struct<std::string, std::string>;
    takeStructs<StepStruct>(properties, "Steps", job.steps, [](const StepStruct& item) {
        return JobStep{std::get<0>(item), std::get<1>(item)};
    });
    take(properties, "Started", job.started);
}

void takeOver(const std::string& path, const bus::InterfaceMap& interfaces, Snapshot& snapshot) {
    for (const auto& [interface, properties] : interfaces) {
        if (interface == managerInterface)
            takeOver(properties, snapshot.manager);
        else if (interface == groupInterface)
            takeOverTo(path, properties, snapshot.groups);
        else if (interface == deviceInterface)
            takeOverTo(path, properties, snapshot.devices);
        else if (interface == jobInterface)
            takeOverTo(path, properties, snapshot.jobs);
    }
}

} // namespace vfiobind::ctl
