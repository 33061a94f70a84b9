// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/service.h"

#include "pci/object_name.h"
#include "plan/target.h"
#include "show/describe.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <functional>
#include <ranges>
#include <spdlog/spdlog.h>

namespace vfiobind::bus {
namespace {

using namespace std::chrono_literals;

/// The pause between two messages about a job's steps, or about a list of jobs in which some have ended and
/// others go on. Most jobs are shorter: without the pause a hundred jobs at once would send several hundred
/// such messages ahead of those that announce the jobs' ends.
constexpr auto pause = 250ms;

const std::string groupParent = std::string(rootPath) + "/group";
const std::string deviceParent = std::string(rootPath) + "/device";

/// Emits each change by itself: one that cannot be sent, because of a full queue or a lack of memory, does
/// not stop the others.
void tellAlone(const std::string& what, const std::function<void()>& tell) {
    try {
        tell();
    } catch (const std::exception& error) {
        spdlog::error("the bus is not told of a change of {}: {}", what, error.what());
    }
}

std::vector<std::string> pathsOf(const auto& objects, auto pathOf) {
    std::vector<std::string> paths;
    paths.reserve(objects.size());
    for (const auto& [key, object] : objects)
        paths.push_back(pathOf(key));
    return paths;
}

std::vector<sdbus::ObjectPath> jobPaths(const std::vector<JobView>& jobs) {
    std::vector<sdbus::ObjectPath> paths;
    for (const auto& job : jobs)
        paths.emplace_back(jobPath(job.id));
    return paths;
}

} // namespace

Service::Service(EventLoop& loop, sdbus::IConnection& connection, Core& core, Authority& authority) :
    AdaptorInterfaces(connection, sdbus::ObjectPath{rootPath}), loop_(loop), connection_(connection),
    core_(core), authority_(authority), gate_(loop, connection, core, authority.callers()),
    view_(managerView(core)),
    groupTable_(connection, groupParent, GroupObject::interface, GroupObject::members(), groupsOnBus()),
    deviceTable_(connection, deviceParent, DeviceObject::interface, DeviceObject::members(), devicesOnBus()) {
    registerAdaptor();
    core_.listen(*this);
    for (const auto* job : core_.jobs())
        jobAdded(*job);
    sync();
    announces_ = true;
}

namespace {

/// A text that is no target's is refused before it is kept for the time that an authorisation takes.
void refuseOverlong(const std::string& target) {
    constexpr std::size_t longest = 4096;
    if (target.size() > longest)
        throw toBus({ApiError::Kind::invalidArgument,
                     fmt::format("the target has {} bytes; a target is an address, a rule's name, an id or "
                                 "group/N",
                                 target.size())});
}

} // namespace

FindTarget Service::finderOf(const std::string& target) const {
    refuseOverlong(target);
    return [this, target] { return core_.intent().targetOf(target); };
}

void Service::Bind(Jobs_&& result, std::string target, OptionMap options) {
    change(Action::bind, std::move(result), target, options);
}

void Service::Release(Jobs_&& result, std::string target, OptionMap options) {
    change(Action::release, std::move(result), target, options);
}

void Service::change(Action action, Jobs_&& result, const std::string& target, const OptionMap& options) {
    const auto shared = std::make_shared<Jobs_>(std::move(result));
    answer(shared, [&] {
        changeGroups(core_, authority_, currentCall(getObject()), action, finderOf(target), options,
                     [shared](const auto& jobs) {
                         if (!jobs)
                             return shared->returnError(toBus(jobs.error()));
                         shared->returnResults(jobPaths(*jobs));
                     });
    });
}

void Service::Acquire(Acquisition&& result, std::string target, OptionMap options) {
    const auto shared = std::make_shared<Acquisition>(std::move(result));
    answer(shared, [&] {
        acquireGroups(core_, authority_, currentCall(getObject()), finderOf(target), options,
                      [shared](std::expected<Core::Acquired, ApiError> acquired) {
                          if (!acquired)
                              return shared->returnError(toBus(acquired.error()));
                          // The message has a copy of its own, and the caller who is gone leaves none.
                          shared->returnResults(sdbus::UnixFd{acquired->lease.get()},
                                                jobPaths(acquired->jobs));
                      });
    });
}

void Service::Check(CheckAnswer&& result, std::string target, OptionMap options) {
    const auto shared = std::make_shared<CheckAnswer>(std::move(result));
    answer(shared, [&] {
        checkGroups(core_, authority_, currentCall(getObject()), finderOf(target), options, replyTo(shared));
    });
}

void Service::Reload(sdbus::Result<>&& result) {
    const auto shared = std::make_shared<sdbus::Result<>>(std::move(result));
    answer(shared, [&] {
        authority_.callers().identify(
            currentCall(getObject()),
            [this, shared](const Caller& caller) {
                authority_.ask(caller, {"reload"}, {}, [this, shared](const std::optional<ApiError>& denial) {
                    if (denial)
                        return shared->returnError(toBus(*denial));
                    answer(shared, [&] { reload(*shared); });
                });
            },
            [shared](const ApiError& error) { shared->returnError(toBus(error)); });
    });
}

void Service::reload(sdbus::Result<>& result) {
    const auto done = core_.reload();
    sync();
    if (!done)
        throw toBus(done.error());
    result.returnResults();
}

void Service::Describe(sdbus::Result<std::string>&& result) {
    const auto shared = std::make_shared<sdbus::Result<std::string>>(std::move(result));
    answer(shared, [&] {
        authority_.callers().identify(
            currentCall(getObject()),
            [this, shared](const Caller& caller) {
                answer(shared, [&] { shared->returnResults(describe(core_, caller.uid)); });
            },
            [shared](const ApiError& error) { shared->returnError(toBus(error)); });
    });
}

std::tuple<Service::Paths, Service::Paths> Service::Resolve(const std::string& target) {
    return answered([&] {
        refuseOverlong(target);
        const auto found = findTarget(target, core_.intent().policy(), core_.topology());
        if (!found)
            throw toBus(ApiError::from(found.error()));
        Paths groups;
        for (const auto group : found->groups)
            groups.emplace_back(groupPath(group));
        return std::tuple(std::move(groups), devicePaths(found->devices));
    });
}

std::vector<sdbus::Struct<std::string, std::string>> Service::AbsentFiles() {
    std::vector<sdbus::Struct<std::string, std::string>> list;
    for (const auto& [file, why] : view_.absentFiles)
        list.emplace_back(file, why);
    return list;
}

std::vector<sdbus::Struct<std::string, std::string, std::vector<std::string>>> Service::Rules() {
    std::vector<sdbus::Struct<std::string, std::string, std::vector<std::string>>> list;
    for (const auto& rule : view_.rules)
        list.emplace_back(rule.name, rule.driver, rule.selectors);
    return list;
}

/// Emits the pending change before the answer, so that a caller gets signal and answer in order.
std::vector<sdbus::ObjectPath> Service::Jobs() {
    if (tellJobListLater_)
        tellJobList();
    std::vector<sdbus::ObjectPath> paths;
    for (const auto job : view_.jobs)
        paths.emplace_back(jobPath(job));
    return paths;
}

void Service::showManager(ManagerView view) {
    std::vector<PropertyName> names;
    const auto add = [&names](bool differs, const char* name) {
        if (differs)
            names.emplace_back(name);
    };
    add(view.iommu != view_.iommu, "Iommu");
    add(view.noIommu != view_.noIommu, "NoIommu");
    add(view.configFiles != view_.configFiles, "ConfigFiles");
    add(view.absentFiles != view_.absentFiles, "AbsentFiles");
    add(view.configError != view_.configError, "ConfigError");
    add(view.warnings != view_.warnings, "Warnings");
    add(view.rules != view_.rules, "Rules");
    showJobList(view.jobs);
    view_ = std::move(view);
    if (!names.empty())
        emitPropertiesChanged(getObject(), Manager_adaptor::INTERFACE_NAME, names);
}

SharedVtable::Objects Service::groupsOnBus() {
    return {.find = [this](std::string_view name) -> void* {
                unsigned number = 0;
                const auto read = std::from_chars(name.data(), name.data() + name.size(), number);
                const bool right = read.ec == std::errc{} && std::to_string(number) == name;
                const auto it = right ? groups_.find(number) : groups_.end();
                return it == groups_.end() ? nullptr : &it->second;
            },
            .paths = [this] { return pathsOf(groups_, groupPath); }};
}

SharedVtable::Objects Service::devicesOnBus() {
    return {.find = [this](std::string_view name) -> void* {
                const auto address = addressNamed(name);
                const auto it = address ? devices_.find(*address) : devices_.end();
                return it == devices_.end() ? nullptr : &it->second;
            },
            .paths = [this] { return pathsOf(devices_, devicePath); }};
}

void Service::syncGroup(unsigned group) {
    const auto it = groups_.find(group);
    const bool there = core_.topology().findGroup(group) != nullptr;
    if (!there && it != groups_.end()) {
        it->second.takeLeave();
        groups_.erase(it);
    } else if (there && it == groups_.end()) {
        announce(groups_.try_emplace(group, groupTable_, core_, authority_, groupView(core_, group))
                     .first->second);
    } else if (there) {
        it->second.show(groupView(core_, group));
    }
}

void Service::syncDevice(const vfiobind::Address& address) {
    auto it = devices_.find(address);
    const bool there = core_.topology().find(address) != nullptr;
    auto view = deviceView(core_, address);
    if (it != devices_.end() && (!there || !it->second.sameCard(view))) {
        it->second.takeLeave();
        devices_.erase(it);
        it = devices_.end();
    }
    if (there && it == devices_.end())
        announce(devices_.try_emplace(address, deviceTable_, core_, std::move(view)).first->second);
    else if (there)
        it->second.show(std::move(view));
}

void Service::sync() {
    const auto changes = core_.takeChanges();
    if (witness_.changed)
        witness_.changed(changes);
    for (const auto& device : changes.devices)
        tellAlone("device " + device.str(), [&] { syncDevice(device); });
    for (const auto group : changes.groups)
        tellAlone(fmt::format("group {}", group), [&] { syncGroup(group); });
    for (const auto group : changes.jobs)
        if (const auto* job = core_.jobOf(group))
            tellAlone(fmt::format("job {}", job->id), [&] { showJob(*job); });
    if (changes.manager)
        tellAlone("the root object", [&] { showManager(managerView(core_)); });
    else if (changes.jobList)
        tellAlone("the list of jobs", [&] { showJobList(jobIds(core_)); });
}

void Service::tellSteps() {
    tellStepsLater_.reset();
    for (const auto& job : jobs_ | std::views::values)
        job->tellSteps();
}

void Service::showJobList(std::vector<std::uint32_t> jobs) {
    if (jobs == view_.jobs)
        return;
    // A new job has a higher number than all before it.
    const bool someGoOn =
        !jobs.empty() && !view_.jobs.empty() && std::ranges::max(jobs) <= std::ranges::max(view_.jobs);
    view_.jobs = std::move(jobs);
    if (!someGoOn)
        return tellJobList();
    if (!tellJobListLater_)
        tellJobListLater_ = loop_.timer(pause, [this] { tellJobList(); });
}

void Service::tellJobList() {
    tellJobListLater_.reset();
    emitPropertiesChanged(getObject(), Manager_adaptor::INTERFACE_NAME, {PropertyName("Jobs")});
}

void Service::jobAdded(const JobView& job) {
    announce(*jobs_.emplace(job.id, std::make_unique<JobObject>(connection_, job)).first->second);
}

void Service::showJob(const JobView& job) {
    const auto it = jobs_.find(job.id);
    if (it != jobs_.end() && it->second->show(job) && !tellStepsLater_)
        tellStepsLater_ = loop_.timer(pause, [this] { tellSteps(); });
}

void Service::jobRemoved(const JobView& job, const std::string& result) {
    if (witness_.jobEnded)
        witness_.jobEnded(job, result);
    const auto it = jobs_.find(job.id);
    if (it != jobs_.end() && it->second->show(job))
        it->second->tellSteps();
    sync();
    emitJobRemoved(job.id, sdbus::ObjectPath{jobPath(job.id)}, sdbus::ObjectPath{groupPath(job.group)},
                   result);
    if (it != jobs_.end()) {
        it->second->takeLeave();
        jobs_.erase(it);
    }
}

} // namespace vfiobind::bus
