// SPDX-License-Identifier: LGPL-2.1-or-later
/// The root object, and the objects below it kept in step with the core.
#pragma once

#include "Manager-adaptor.h"
#include "bus/answers.h"
#include "bus/check_gate.h"
#include "bus/objects.h"

#include <functional>
#include <map>
#include <memory>

namespace vfiobind::bus {

class Service final
    : public sdbus::AdaptorInterfaces<org::vfiobind1::Manager_adaptor, sdbus::ObjectManager_adaptor>,
      public JobListener {
public:
    Service(EventLoop& loop, sdbus::IConnection& connection, Core& core, Authority& authority);
    ~Service() override { unregisterAdaptor(); }

    /// Emits on the bus what has changed since the last call.
    void sync();

    /// Others that are to get what is emitted on the bus.
    struct Witness {
        std::function<void(const Changes&)> changed;
        std::function<void(const JobView& job, const std::string& result)> jobEnded;
    };
    void addWitness(Witness witness) { witness_ = std::move(witness); }

    void jobAdded(const JobView& job) override;
    void jobRemoved(const JobView& job, const std::string& result) override;
    void answering() override { sync(); }

    /// org.vfiobind1.Manager, which the bus calls.
    using Paths = std::vector<sdbus::ObjectPath>;
    using Jobs_ = sdbus::Result<Paths>;
    using Acquisition = sdbus::Result<sdbus::UnixFd, std::vector<sdbus::ObjectPath>>;
    using CheckAnswer = sdbus::Result<bool, std::vector<BlockerStruct>, std::vector<std::string>>;
    void Bind(Jobs_&& result, std::string target, OptionMap options) override;
    void Release(Jobs_&& result, std::string target, OptionMap options) override;
    void Acquire(Acquisition&& result, std::string target, OptionMap options) override;
    void Check(CheckAnswer&& result, std::string target, OptionMap options) override;
    void Reload(sdbus::Result<>&& result) override;
    void Describe(sdbus::Result<std::string>&& result) override;
    std::tuple<Paths, Paths> Resolve(const std::string& target) override;

    std::string Version() override { return view_.version; }
    std::string Iommu() override { return view_.iommu; }
    bool NoIommu() override { return view_.noIommu; }
    std::vector<std::string> ConfigFiles() override { return view_.configFiles; }
    std::vector<sdbus::Struct<std::string, std::string>> AbsentFiles() override;
    std::string ConfigError() override { return view_.configError; }
    std::vector<std::string> Warnings() override { return view_.warnings; }
    std::vector<sdbus::Struct<std::string, std::string, std::vector<std::string>>> Rules() override;
    std::vector<sdbus::ObjectPath> Jobs() override;

private:
    void change(Action action, Jobs_&& result, const std::string& target, const OptionMap& options);
    void reload(sdbus::Result<>& result);
    FindTarget finderOf(const std::string& target) const;

    void showManager(ManagerView view);
    void showJob(const JobView& job);
    void tellSteps();
    void showJobList(std::vector<std::uint32_t> jobs);
    void tellJobList();
    template <typename Object>
    void announce(Object& object) const {
        if (announces_)
            object.announce();
    }
    SharedVtable::Objects groupsOnBus();
    SharedVtable::Objects devicesOnBus();
    void syncGroup(unsigned group);
    void syncDevice(const vfiobind::Address& address);

    EventLoop& loop_;
    sdbus::IConnection& connection_;
    Core& core_;
    Authority& authority_;
    CheckGate gate_;
    Witness witness_;
    ManagerView view_;
    std::map<unsigned, GroupObject> groups_;
    std::map<vfiobind::Address, DeviceObject> devices_;
    std::map<std::uint32_t, std::unique_ptr<JobObject>> jobs_;
    SharedVtable groupTable_;
    SharedVtable deviceTable_;
    EventSource tellStepsLater_;
    EventSource tellJobListLater_;
    /// False until the daemon owns its bus name. Announcing an object reads all of its properties, and before
    /// that nobody would hear it.
    bool announces_ = false;
};

} // namespace vfiobind::bus
