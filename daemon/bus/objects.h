// SPDX-License-Identifier: LGPL-2.1-or-later
/// The objects below the root: groups, devices, jobs. Each shows a view; when it gets another view, it emits
/// PropertiesChanged for what differs.
#pragma once

#include "Job-adaptor.h"
#include "bus/authority.h"
#include "bus/calls.h"
#include "bus/shared_vtable.h"
#include "core.h"
#include "show/views.h"

#include <memory>
#include <optional>

namespace vfiobind::bus {

class GroupObject final {
public:
    GroupObject(const SharedVtable& table, Core& core, Authority& authority, GroupView view) :
        table_(table), core_(core), authority_(authority), view_(std::move(view)) {}
    /// org.vfiobind1.Group.xml
    static const sd_bus_vtable* members();
    static constexpr const char* interface = "org.vfiobind1.Group";

    void show(GroupView view);
    void announce() const { table_.announce(groupPath(view_.number)); }
    void takeLeave() const { table_.takeLeave(groupPath(view_.number)); }

private:
    using Pending = std::shared_ptr<PendingCall>;
    void bind(const Pending& call, const OptionMap& options) { change(Action::bind, call, options); }
    void release(const Pending& call, const OptionMap& options) { change(Action::release, call, options); }
    void check(const Pending& call, const OptionMap& options);
    void change(Action action, const Pending& call, const OptionMap& options);
    template <void (GroupObject::*Method)(const Pending&, const OptionMap&)>
    static int handle(sd_bus_message* message, void* object, sd_bus_error* error);

    std::uint32_t number() const { return view_.number; }
    const std::string& state() const { return view_.state; }
    bool viable() const { return view_.viable; }
    std::vector<sdbus::ObjectPath> devices() const;
    const std::string& rule() const { return view_.rule; }
    const std::string& driver() const { return view_.driver; }
    const std::string& node() const { return view_.node; }
    const std::string& type() { return type_ ? *type_ : type_.emplace(groupType(core_, view_.number)); }
    std::vector<BlockerStruct> blockers() const { return toBus(view_.blockers); }
    std::vector<sdbus::Struct<std::uint32_t, std::string>> holders() const;
    std::vector<sdbus::Struct<std::uint32_t, std::uint64_t>> leases() const;
    const std::string& lastError() const { return view_.lastError; }
    sdbus::ObjectPath job() const { return sdbus::ObjectPath{jobPath(view_.job)}; }

    const SharedVtable& table_;
    Core& core_;
    Authority& authority_;
    GroupView view_;
    std::optional<std::string> type_; ///< as somebody has read it
};

class DeviceObject final {
public:
    DeviceObject(const SharedVtable& table, Core& core, DeviceView view) :
        table_(table), core_(core), view_(std::move(view)) {}
    /// org.vfiobind1.Device.xml
    static const sd_bus_vtable* members();
    static constexpr const char* interface = "org.vfiobind1.Device";

    void show(DeviceView view);
    /// Whether the view is of this card, and not of another card in the same slot.
    bool sameCard(const DeviceView& view) const { return view.device.ids == view_.device.ids; }
    void announce() const { table_.announce(devicePath(view_.device.address)); }
    void takeLeave() const { table_.takeLeave(devicePath(view_.device.address)); }

private:
    const DeviceDetails& details();
    std::string address() const { return view_.device.address.str(); }
    std::uint16_t vendor() const { return view_.device.ids.vendor; }
    std::uint16_t device() const { return view_.device.ids.device; }
    std::uint16_t subsystemVendor() const { return view_.device.ids.subsystemVendor; }
    std::uint16_t subsystemDevice() const { return view_.device.ids.subsystemDevice; }
    std::uint32_t classCode() const { return view_.device.ids.classCode; }
    const std::string& vendorName() { return details().vendorName; }
    const std::string& deviceName() { return details().deviceName; }
    const std::string& driver() const { return view_.device.driver; }
    const std::string& driverOverride() const { return view_.device.driverOverride.value; }
    const std::vector<std::string>& nativeModules() { return details().nativeModules; }
    sdbus::ObjectPath group() const;
    bool bootVga() { return details().bootVga; }
    const std::vector<std::string>& resetMethods() { return details().resetMethods; }
    std::int32_t numaNode() { return details().numaNode; }
    const std::string& path() const { return view_.device.path; }
    const std::string& serial() const { return view_.device.serial; }
    const std::string& vfioDevice() const { return view_.vfioDevice; }
    sdbus::ObjectPath physicalFunction() const;
    std::vector<sdbus::ObjectPath> virtualFunctions() const;

    const SharedVtable& table_;
    Core& core_;
    DeviceView view_;
    std::unique_ptr<DeviceDetails> details_; ///< read when somebody first asks for one of them
};

class JobObject final
    : public sdbus::AdaptorInterfaces<org::vfiobind1::Job_adaptor, sdbus::ManagedObject_adaptor> {
public:
    JobObject(sdbus::IConnection& connection, JobView view);
    ~JobObject() { unregisterAdaptor(); }
    /// Shows the view. Returns whether PropertiesChanged for the steps is still to be emitted.
    bool show(const JobView& view);
    void tellSteps();
    void announce() { emitInterfacesAddedSignal(); }
    void takeLeave() { emitInterfacesRemovedSignal(); }

private:
    std::uint32_t Id() override { return view_.id; }
    std::string Kind() override { return view_.kind; }
    sdbus::ObjectPath Group() override { return sdbus::ObjectPath{groupPath(view_.group)}; }
    std::string State() override { return view_.state; }
    std::vector<sdbus::Struct<std::string, std::string>> Steps() override;
    std::uint64_t Started() override { return view_.startedUsec; }

    JobView view_;
    bool stepsUntold_ = false;
};

} // namespace vfiobind::bus
