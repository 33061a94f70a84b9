// SPDX-License-Identifier: LGPL-2.1-or-later
/// The objects below the root: groups, devices, jobs. Each shows a view, and tells of what differs when it
/// gets another.
#pragma once

#include "Device-adaptor.h"
#include "Group-adaptor.h"
#include "Job-adaptor.h"
#include "bus/authority.h"
#include "bus/calls.h"
#include "bus/options.h"
#include "core.h"

#include <optional>

namespace vfiobind::bus {

class GroupObject final
    : public sdbus::AdaptorInterfaces<org::vfiobind1::Group_adaptor, sdbus::ManagedObject_adaptor> {
public:
    GroupObject(sdbus::IConnection& connection, Core& core, Authority& authority, GroupView view);
    ~GroupObject() { unregisterAdaptor(); }
    void show(GroupView view);
    void announce() { emitInterfacesAddedSignal(); }
    void takeLeave() { emitInterfacesRemovedSignal(); }

private:
    using OneJob = sdbus::Result<sdbus::ObjectPath>;
    using CheckAnswer = sdbus::Result<bool, std::vector<BlockerStruct>, std::vector<std::string>>;
    void Bind(OneJob&& result, OptionMap options) override;
    void Release(OneJob&& result, OptionMap options) override;
    void Check(CheckAnswer&& result, OptionMap options) override;
    void change(Action action, OneJob&& result, const OptionMap& options);

    std::uint32_t Number() override { return view_.number; }
    std::string State() override { return view_.state; }
    bool Viable() override { return view_.viable; }
    std::vector<sdbus::ObjectPath> Devices() override;
    std::string Rule() override { return view_.rule; }
    std::string Driver() override { return view_.driver; }
    std::string Node() override { return view_.node; }
    std::string Type() override { return core_.groupType(view_.number); }
    std::vector<BlockerStruct> Blockers() override { return toBus(view_.blockers); }
    std::vector<sdbus::Struct<std::uint32_t, std::string>> Holders() override;
    std::string LastError() override { return view_.lastError; }
    sdbus::ObjectPath Job() override { return sdbus::ObjectPath{jobPath(view_.job)}; }

    Core& core_;
    Authority& authority_;
    GroupView view_;
};

class DeviceObject final
    : public sdbus::AdaptorInterfaces<org::vfiobind1::Device_adaptor, sdbus::ManagedObject_adaptor> {
public:
    DeviceObject(sdbus::IConnection& connection, Core& core, DeviceView view);
    ~DeviceObject() { unregisterAdaptor(); }
    void show(DeviceView view);
    /// Whether the view is of this card, not of another in the same slot.
    bool sameCard(const DeviceView& view) const { return view.device.ids == view_.device.ids; }
    void announce() { emitInterfacesAddedSignal(); }
    void takeLeave() { emitInterfacesRemovedSignal(); }

private:
    const DeviceDetails& details();
    std::string Address() override { return view_.device.address.str(); }
    std::uint16_t Vendor() override { return view_.device.ids.vendor; }
    std::uint16_t Device() override { return view_.device.ids.device; }
    std::uint16_t SubsystemVendor() override { return view_.device.ids.subsystemVendor; }
    std::uint16_t SubsystemDevice() override { return view_.device.ids.subsystemDevice; }
    std::uint32_t Class() override { return view_.device.ids.classCode; }
    std::string VendorName() override { return details().vendorName; }
    std::string DeviceName() override { return details().deviceName; }
    std::string Driver() override { return view_.device.driver; }
    std::string DriverOverride() override { return view_.device.driverOverride.value; }
    std::vector<std::string> NativeModules() override { return details().nativeModules; }
    sdbus::ObjectPath Group() override;
    bool BootVga() override { return details().bootVga; }
    std::vector<std::string> ResetMethods() override { return details().resetMethods; }
    std::int32_t NumaNode() override { return details().numaNode; }
    std::string Path() override { return view_.device.path; }
    std::string VfioDevice() override { return view_.vfioDevice; }
    sdbus::ObjectPath PhysicalFunction() override;
    std::vector<sdbus::ObjectPath> VirtualFunctions() override;

    Core& core_;
    DeviceView view_;
    std::optional<DeviceDetails> details_; ///< read when somebody asks for one of them
};

class JobObject final
    : public sdbus::AdaptorInterfaces<org::vfiobind1::Job_adaptor, sdbus::ManagedObject_adaptor> {
public:
    JobObject(sdbus::IConnection& connection, JobView view);
    ~JobObject() { unregisterAdaptor(); }
    void show(const JobView& view);
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
};

} // namespace vfiobind::bus
