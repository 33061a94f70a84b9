// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/objects.h"

#include "bus/answers.h"

namespace vfiobind::bus {
namespace {

using Names = std::vector<PropertyName>;

void add(Names& names, bool differs, const char* name) {
    if (differs)
        names.emplace_back(name);
}

std::vector<sdbus::ObjectPath> devicePaths(const auto& addresses) {
    std::vector<sdbus::ObjectPath> paths;
    for (const auto& address : addresses)
        paths.emplace_back(devicePath(address));
    return paths;
}

} // namespace

GroupObject::GroupObject(sdbus::IConnection& connection, Core& core, Authority& authority, GroupView view) :
    AdaptorInterfaces(connection, sdbus::ObjectPath{groupPath(view.number)}), core_(core),
    authority_(authority), view_(std::move(view)) {
    registerAdaptor();
}

void GroupObject::show(GroupView view) {
    Names names;
    add(names, view.state != view_.state, "State");
    add(names, view.viable != view_.viable, "Viable");
    add(names, view.devices != view_.devices, "Devices");
    add(names, view.rule != view_.rule, "Rule");
    add(names, view.driver != view_.driver, "Driver");
    add(names, view.node != view_.node, "Node");
    add(names, view.blockers != view_.blockers, "Blockers");
    add(names, view.holders != view_.holders, "Holders");
    add(names, view.lastError != view_.lastError, "LastError");
    add(names, view.job != view_.job, "Job");
    view_ = std::move(view);
    if (!names.empty())
        emitPropertiesChanged(getObject(), Group_adaptor::INTERFACE_NAME, names);
}

void GroupObject::Bind(OneJob&& result, OptionMap options) {
    change(Action::bind, std::move(result), options);
}

void GroupObject::Release(OneJob&& result, OptionMap options) {
    change(Action::release, std::move(result), options);
}

void GroupObject::change(Action action, OneJob&& result, const OptionMap& options) {
    const auto shared = std::make_shared<OneJob>(std::move(result));
    answer(shared, [&] {
        changeGroups(
            core_, authority_, callerOf(getObject()), action,
            [group = view_.number] { return Target{.groups = {group}}; }, options,
            [shared](const auto& jobs) {
                if (!jobs)
                    return shared->returnError(toBus(jobs.error()));
                shared->returnResults(sdbus::ObjectPath{jobPath(jobs->empty() ? 0 : jobs->front().id)});
            });
    });
}

void GroupObject::Check(CheckAnswer&& result, OptionMap options) {
    checkGroups(core_, {.groups = {view_.number}}, options, std::make_shared<CheckAnswer>(std::move(result)));
}

std::vector<sdbus::ObjectPath> GroupObject::Devices() {
    return devicePaths(view_.devices);
}

std::vector<sdbus::Struct<std::uint32_t, std::string>> GroupObject::Holders() {
    std::vector<sdbus::Struct<std::uint32_t, std::string>> list;
    for (const auto& holder : view_.holders)
        list.emplace_back(holder.pid, holder.command);
    return list;
}

DeviceObject::DeviceObject(sdbus::IConnection& connection, Core& core, DeviceView view) :
    AdaptorInterfaces(connection, sdbus::ObjectPath{devicePath(view.device.address)}), core_(core),
    view_(std::move(view)) {
    registerAdaptor();
}

void DeviceObject::show(DeviceView view) {
    Names names;
    const auto& now = view.device;
    const auto& before = view_.device;
    add(names, now.driver != before.driver, "Driver");
    add(names, now.driverOverride.value != before.driverOverride.value, "DriverOverride");
    add(names, now.group != before.group, "Group");
    add(names, view.vfioDevice != view_.vfioDevice, "VfioDevice");
    add(names, now.physicalFunction != before.physicalFunction, "PhysicalFunction");
    add(names, now.virtualFunctions != before.virtualFunctions, "VirtualFunctions");
    view_ = std::move(view);
    if (!names.empty())
        emitPropertiesChanged(getObject(), Device_adaptor::INTERFACE_NAME, names);
}

const DeviceDetails& DeviceObject::details() {
    if (!details_)
        details_ = core_.deviceDetails(view_.device.address);
    return *details_;
}

sdbus::ObjectPath DeviceObject::Group() {
    return sdbus::ObjectPath{view_.device.group ? groupPath(*view_.device.group) : "/"};
}

sdbus::ObjectPath DeviceObject::PhysicalFunction() {
    const auto& pf = view_.device.physicalFunction;
    return sdbus::ObjectPath{pf ? devicePath(*pf) : "/"};
}

std::vector<sdbus::ObjectPath> DeviceObject::VirtualFunctions() {
    return devicePaths(view_.device.virtualFunctions);
}

JobObject::JobObject(sdbus::IConnection& connection, JobView view) :
    AdaptorInterfaces(connection, sdbus::ObjectPath{jobPath(view.id)}), view_(std::move(view)) {
    registerAdaptor();
}

void JobObject::show(const JobView& view) {
    Names names;
    add(names, view.state != view_.state, "State");
    add(names, view.steps != view_.steps, "Steps");
    view_ = view;
    if (!names.empty())
        emitPropertiesChanged(getObject(), Job_adaptor::INTERFACE_NAME, names);
}

std::vector<sdbus::Struct<std::string, std::string>> JobObject::Steps() {
    std::vector<sdbus::Struct<std::string, std::string>> list;
    for (const auto& [step, result] : view_.steps)
        list.emplace_back(step, result);
    return list;
}

} // namespace vfiobind::bus
