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

/// A property whose changes are emitted as PropertiesChanged. The value of a constant() stays as long as the
/// object.
template <typename Object, auto Get>
constexpr sd_bus_vtable changing(const char* name, const char* type) {
    return SD_BUS_PROPERTY(name, type, (readProperty<Object, Get>), 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE);
}
template <typename Object, auto Get>
constexpr sd_bus_vtable constant(const char* name, const char* type) {
    return SD_BUS_PROPERTY(name, type, (readProperty<Object, Get>), 0, SD_BUS_VTABLE_PROPERTY_CONST);
}

} // namespace

void GroupObject::show(GroupView view) {
    Names names;
    add(names, view.state != view_.state, "State");
    add(names, view.viable != view_.viable, "Viable");
    add(names, view.devices != view_.devices, "Devices");
    add(names, view.rule != view_.rule, "Rule");
    add(names, view.driver != view_.driver, "Driver");
    add(names, view.node != view_.node, "Node");
    add(names, toBus(view.blockers) != toBus(view_.blockers), "Blockers");
    add(names, view.holders != view_.holders, "Holders");
    add(names, view.leases != view_.leases, "Leases");
    add(names, view.lastError != view_.lastError, "LastError");
    add(names, view.job != view_.job, "Job");
    view_ = std::move(view);
    if (type_) // nobody has a value that nobody has asked for
        add(names, *std::exchange(type_, groupType(core_, view_.number)) != *type_, "Type");
    if (!names.empty())
        table_.tellChanged(groupPath(view_.number), names);
}

template <void (GroupObject::*Method)(const GroupObject::Pending&, const OptionMap&)>
int GroupObject::handle(sd_bus_message* message, void* object, sd_bus_error* error) {
    return guarded(error, [&] {
        const auto options = readOptions(message);
        const auto call = std::make_shared<PendingCall>(message);
        answer(call, [&] { (static_cast<GroupObject*>(object)->*Method)(call, options); });
        return 1;
    });
}

const sd_bus_vtable* GroupObject::members() {
    using G = GroupObject;
    constexpr auto anybody = SD_BUS_VTABLE_UNPRIVILEGED; // polkit is asked
    static const sd_bus_vtable table[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_NAMES("Bind", "a{sv}", SD_BUS_PARAM(options), "o", SD_BUS_PARAM(job),
                                 handle<&G::bind>, anybody),
        SD_BUS_METHOD_WITH_NAMES("Release", "a{sv}", SD_BUS_PARAM(options), "o", SD_BUS_PARAM(job),
                                 handle<&G::release>, anybody),
        SD_BUS_METHOD_WITH_NAMES("Check", "a{sv}", SD_BUS_PARAM(options), "ba(sss)as",
                                 SD_BUS_PARAM(possible) SD_BUS_PARAM(blockers) SD_BUS_PARAM(steps),
                                 handle<&G::check>, anybody),
        constant<G, &G::number>("Number", "u"),
        changing<G, &G::state>("State", "s"),
        changing<G, &G::viable>("Viable", "b"),
        changing<G, &G::devices>("Devices", "ao"),
        changing<G, &G::rule>("Rule", "s"),
        changing<G, &G::driver>("Driver", "s"),
        changing<G, &G::node>("Node", "s"),
        changing<G, &G::type>("Type", "s"),
        changing<G, &G::blockers>("Blockers", "a(sss)"),
        changing<G, &G::holders>("Holders", "a(us)"),
        changing<G, &G::leases>("Leases", "a(ut)"),
        changing<G, &G::lastError>("LastError", "s"),
        changing<G, &G::job>("Job", "o"),
        SD_BUS_VTABLE_END};
    return table;
}

void GroupObject::change(Action action, const Pending& call, const OptionMap& options) {
    changeGroups(
        core_, authority_, call->message(), action,
        [group = view_.number] { return Target{.groups = {group}}; }, options,
        [call](const auto& jobs) {
            if (!jobs)
                return call->returnError(toBus(jobs.error()));
            call->returnResults(sdbus::ObjectPath{jobPath(jobs->empty() ? 0 : jobs->front().id)});
        });
}

void GroupObject::check(const Pending& call, const OptionMap& options) {
    checkGroups(
        core_, authority_, call->message(), [group = view_.number] { return Target{.groups = {group}}; },
        options, replyTo(call));
}

std::vector<sdbus::ObjectPath> GroupObject::devices() const {
    return devicePaths(view_.devices);
}

std::vector<sdbus::Struct<std::uint32_t, std::string>> GroupObject::holders() const {
    std::vector<sdbus::Struct<std::uint32_t, std::string>> list;
    for (const auto& holder : view_.holders)
        list.emplace_back(holder.pid, holder.program);
    return list;
}

std::vector<sdbus::Struct<std::uint32_t, std::uint64_t>> GroupObject::leases() const {
    std::vector<sdbus::Struct<std::uint32_t, std::uint64_t>> list;
    for (const auto& lease : view_.leases)
        list.emplace_back(lease.uid, lease.sinceUsec);
    return list;
}

const sd_bus_vtable* DeviceObject::members() {
    using D = DeviceObject;
    static const sd_bus_vtable table[] = {SD_BUS_VTABLE_START(0),
                                          constant<D, &D::address>("Address", "s"),
                                          constant<D, &D::vendor>("Vendor", "q"),
                                          constant<D, &D::device>("Device", "q"),
                                          constant<D, &D::subsystemVendor>("SubsystemVendor", "q"),
                                          constant<D, &D::subsystemDevice>("SubsystemDevice", "q"),
                                          constant<D, &D::classCode>("Class", "u"),
                                          constant<D, &D::vendorName>("VendorName", "s"),
                                          constant<D, &D::deviceName>("DeviceName", "s"),
                                          changing<D, &D::driver>("Driver", "s"),
                                          changing<D, &D::driverOverride>("DriverOverride", "s"),
                                          changing<D, &D::nativeModules>("NativeModules", "as"),
                                          changing<D, &D::group>("Group", "o"),
                                          constant<D, &D::bootVga>("BootVga", "b"),
                                          changing<D, &D::resetMethods>("ResetMethods", "as"),
                                          constant<D, &D::numaNode>("NumaNode", "i"),
                                          constant<D, &D::path>("Path", "s"),
                                          changing<D, &D::serial>("Serial", "s"),
                                          changing<D, &D::vfioDevice>("VfioDevice", "s"),
                                          changing<D, &D::physicalFunction>("PhysicalFunction", "o"),
                                          changing<D, &D::virtualFunctions>("VirtualFunctions", "ao"),
                                          SD_BUS_VTABLE_END};
    return table;
}

void DeviceObject::show(DeviceView view) {
    Names names;
    const auto& now = view.device;
    const auto& before = view_.device;
    add(names, now.driver != before.driver, "Driver");
    add(names, now.driverOverride.value != before.driverOverride.value, "DriverOverride");
    add(names, now.group != before.group, "Group");
    add(names, now.serial != before.serial, "Serial");
    add(names, view.vfioDevice != view_.vfioDevice, "VfioDevice");
    add(names, now.physicalFunction != before.physicalFunction, "PhysicalFunction");
    add(names, now.virtualFunctions != before.virtualFunctions, "VirtualFunctions");
    view_ = std::move(view);
    if (details_) { // nobody has values that nobody has asked for
        const auto known = std::exchange(details_, nullptr);
        add(names, details().nativeModules != known->nativeModules, "NativeModules");
        add(names, details().resetMethods != known->resetMethods, "ResetMethods");
    }
    if (!names.empty())
        table_.tellChanged(devicePath(view_.device.address), names);
}

const DeviceDetails& DeviceObject::details() {
    if (!details_)
        details_ = std::make_unique<DeviceDetails>(deviceDetails(core_, view_.device.address));
    return *details_;
}

sdbus::ObjectPath DeviceObject::group() const {
    return sdbus::ObjectPath{view_.device.group ? groupPath(*view_.device.group) : "/"};
}

sdbus::ObjectPath DeviceObject::physicalFunction() const {
    const auto& pf = view_.device.physicalFunction;
    return sdbus::ObjectPath{pf ? devicePath(*pf) : "/"};
}

std::vector<sdbus::ObjectPath> DeviceObject::virtualFunctions() const {
    return devicePaths(view_.device.virtualFunctions);
}

JobObject::JobObject(sdbus::IConnection& connection, JobView view) :
    AdaptorInterfaces(connection, sdbus::ObjectPath{jobPath(view.id)}), view_(std::move(view)) {
    registerAdaptor();
}

bool JobObject::show(const JobView& view) {
    const bool otherState = view.state != view_.state;
    stepsUntold_ |= view.steps != view_.steps;
    view_ = view;
    if (otherState)
        emitPropertiesChanged(getObject(), Job_adaptor::INTERFACE_NAME, {PropertyName("State")});
    return stepsUntold_;
}

void JobObject::tellSteps() {
    if (std::exchange(stepsUntold_, false))
        emitPropertiesChanged(getObject(), Job_adaptor::INTERFACE_NAME, {PropertyName("Steps")});
}

/// Emits the pending change before the answer, so that a caller gets signal and answer in order.
std::vector<sdbus::Struct<std::string, std::string>> JobObject::Steps() {
    tellSteps();
    std::vector<sdbus::Struct<std::string, std::string>> list;
    for (const auto& [step, result] : view_.steps)
        list.emplace_back(step, result);
    return list;
}

} // namespace vfiobind::bus
