// SPDX-License-Identifier: LGPL-2.1-or-later
// How work is begun, watched and ended.
#include "core.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <time.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// The guards read files that can block behind another program's hung unbind.
constexpr auto verdictLimit = 10s;

std::uint64_t realtimeUsec() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

} // namespace

Wanted Core::requestedWanted(Action action, unsigned group, const CallOptions& options,
                             const std::string& by) const {
    const auto rule = resolution_.groups.find(group);
    Wanted wanted = rule == resolution_.groups.end() ? Wanted{} : rule->second;
    wanted.action = action;
    wanted.by = by;
    if (options.driver)
        wanted.driver = *options.driver;
    if (options.method)
        wanted.method = *options.method;
    wanted.allow.insert(wanted.allow.end(), options.allow.begin(), options.allow.end());
    if (action == Action::bind)
        return wanted;
    wanted.blockers.clear(); // id-mismatch and ambiguous are about taking
    const auto* entry = ledger_.find(group);
    if (entry != nullptr && entry->request && entry->request->action == Action::bind)
        wanted.driver = entry->request->driver;
    const bool ours = (entry != nullptr && entry->owned) || rule != resolution_.groups.end();
    for (const auto* device : topology_.endpoints(group))
        if (!ours && isVfioDriver(device->driver))
            wanted.blockers.push_back(
                {"foreign-driver", device->address,
                 fmt::format("{} is on {}, but not by vfio-bind: another program has put it there; "
                             "release it there, or allow foreign-driver",
                             device->address.str(), device->driver)});
    return wanted;
}

void Core::change(Action action, const Target& target, const CallOptions& options, const std::string& by,
                  JobsReply reply) {
    if (options.persist && !configError_.empty())
        return reply(std::unexpected(
            ApiError{ApiError::Kind::configInvalid,
                     "nothing can be added to a configuration that is not valid: " + configError_}));
    if (!target.ungrouped.empty())
        return reply(std::unexpected(ApiError::from(target.ungrouped)));
    auto undertaking = std::make_shared<Undertaking>();
    undertaking->reply = std::move(reply);
    undertaking->action = action;
    undertaking->options = options;
    for (const auto group : target.groups) {
        if (const auto record = records_.find(group); record != records_.end())
            forgetRefusals(record->second);
        const auto wanted = requestedWanted(action, group, options, by);
        undertaking->groups.emplace(group, wanted);
        undertaking->requests.emplace(group, Request{.action = action,
                                                     .driver = wanted.driver,
                                                     .method = wanted.method,
                                                     .allow = wanted.allow,
                                                     .rule = wanted.rule,
                                                     .by = by});
    }
    if (const auto error = begin(undertaking))
        undertaking->reply(std::unexpected(*error));
}

void Core::check(const Target& target, const CallOptions& options, const std::string& by, CheckReply reply) {
    auto undertaking = std::make_shared<Undertaking>();
    undertaking->checkReply = std::move(reply);
    undertaking->ungrouped = target.ungrouped;
    if (target.groups.empty())
        return replyCheck(undertaking);
    for (const auto group : target.groups)
        undertaking->groups.emplace(group, requestedWanted(Action::bind, group, options, by));
    if (const auto error = begin(undertaking))
        undertaking->checkReply(std::unexpected(*error));
}

/// Reserves the groups, has missing modules loaded, and launches. An error when a group is busy. While a
/// group is only looked at, which is soon over, a call for it waits.
std::optional<ApiError> Core::begin(const std::shared_ptr<Undertaking>& undertaking) {
    bool looked = false;
    for (const auto& [group, wanted] : undertaking->groups) {
        if (topology_.findGroup(group) == nullptr)
            return ApiError{ApiError::Kind::noSuchGroup, fmt::format("there is no IOMMU group {}", group)};
        const auto running = running_.find(group);
        if (running == running_.end())
            continue;
        if (running->second.job || running->second.stuck)
            return ApiError{
                ApiError::Kind::busy,
                fmt::format("group {} is being worked on; ask again when the job has ended", group)};
        looked = true;
    }
    if (looked) {
        waiting_.push_back(undertaking);
        return std::nullopt;
    }
    for (const auto& [group, wanted] : undertaking->groups) {
        auto& running = running_[group];
        running.wanted = wanted;
        running.undertaking = undertaking;
        if (undertaking->checkReply)
            running.kind = WorkOrder::Kind::examine;
    }
    readDriverNames();
    // A check touches nothing: it does not load modules either.
    auto modules = undertaking->checkReply ? std::vector<std::string>{} : modulesToLoad(undertaking->groups);
    if (modules.empty())
        launch(undertaking);
    else
        modules_.load(std::move(modules), [this, undertaking] { launch(undertaking); });
    return std::nullopt;
}

/// A look has ended, or has become a job: what waited for it begins, or is refused.
void Core::groupsCameFree() {
    if (waiting_.empty())
        return;
    beginWaiting_ = loop_.soon([this] {
        for (const auto& undertaking : std::exchange(waiting_, {})) {
            const auto error = begin(undertaking);
            if (error)
                replyError(*undertaking, *error);
        }
    });
}

std::vector<std::string> Core::modulesToLoad(const std::map<unsigned, Wanted>& groups) {
    std::set<std::string> modules;
    for (const auto& [group, wanted] : groups)
        for (const auto* device : topology_.endpoints(group)) {
            if (wanted.action == Action::release) {
                for (const auto& module : modules_.native(device->ids))
                    if (!modules_.loaded(module))
                        modules.insert(module);
                continue;
            }
            const auto driver = wanted.driver == "auto" ? modules_.automatic(device->ids) : wanted.driver;
            if (!drivers_.registered.contains(drivers_.resolve(driver)))
                modules.insert(driver);
        }
    return {modules.begin(), modules.end()};
}

Drivers Core::driversFor(unsigned group, const Wanted& wanted, WorkOrder::Kind kind) {
    Drivers drivers = drivers_;
    // A check has no module loaded: what could be loaded counts as there.
    const auto there = [&](const std::string& driver) {
        const bool loadable = kind == WorkOrder::Kind::examine && !drivers.registered.contains(driver) &&
                              modules_.canLoad(driver);
        if (loadable)
            drivers.registered.insert(driver);
        return drivers.registered.contains(driver);
    };
    const auto* entry = ledger_.find(group);
    for (const auto* device : topology_.endpoints(group)) {
        const auto& address = device->address;
        if (wanted.action == Action::release) {
            const bool known = entry != nullptr && entry->owned && entry->owned->native.contains(address) &&
                               !entry->owned->native.at(address).empty();
            if (known)
                drivers.native[address] = entry->owned->native.at(address);
            else if (modules_.native(device->ids).empty())
                drivers.driverless.insert(address);
            continue;
        }
        auto best = drivers.resolve(modules_.automatic(device->ids));
        if (best != "vfio-pci" && !there(best)) {
            spdlog::warn("{}: the variant driver {} is not there ({}); vfio-pci is taken", address.str(),
                         best, modules_.whyMissing(best));
            best = "vfio-pci";
        }
        drivers.automatic[address] = best;
        for (const auto& driver : {best, drivers.resolve(wanted.driver)})
            if (driver != "auto" && !there(driver))
                drivers.missing[driver] = modules_.whyMissing(driver);
    }
    return drivers;
}

void Core::launch(const std::shared_ptr<Undertaking>& undertaking) {
    readDriverNames();
    for (const auto& [group, wanted] : undertaking->groups) {
        auto& running = running_.at(group);
        running.limit = loop_.timer(verdictLimit, [this, group = group] { overdue(group); });
        running.work = executor_.start(
            {.kind = running.kind,
             .group = group,
             .wanted = wanted,
             .drivers = driversFor(group, wanted, running.kind)},
            topology_, [this, group = group](WorkMessage message) { receive(group, std::move(message)); });
    }
}

void Core::receive(unsigned group, WorkMessage message) {
    if (!running_.contains(group))
        return;
    if (auto* verdict = std::get_if<Verdict>(&message))
        receiveVerdict(group, std::move(*verdict));
    else if (const auto* read = std::get_if<OverrideRead>(&message)) {
        topology_.setOverride(read->device, {.known = true, .value = read->value});
        changes_.devices.insert(read->device);
    } else if (const auto* begun = std::get_if<StepBegun>(&message))
        stepBegun(group, begun->step);
    else if (const auto* ended = std::get_if<StepEnded>(&message))
        stepEnded(group, ended->result);
    else if (const auto* finished = std::get_if<Finished>(&message))
        finish(group, *finished);
    else
        died(group, std::get<Died>(message).how);
}

void Core::receiveVerdict(unsigned group, Verdict verdict) {
    auto& running = running_.at(group);
    running.limit.reset();
    running.stuck = false;
    if (running.kind == WorkOrder::Kind::carryOut) {
        auto& record = records_[group];
        record.blockers = verdict.nothingToDo ? Blockers{} : verdict.blockers;
        record.holders = verdict.holders;
    }
    changes_.groups.insert(group);
    const auto undertaking = running.undertaking;
    running.verdict = verdict;
    undertaking->verdicts[group] = std::move(verdict);
    if (undertaking->verdicts.size() == undertaking->groups.size())
        settle(undertaking);
}

/// All verdicts are in. A call is refused as a whole when one group is blocked; the reconciler takes each for
/// itself.
void Core::settle(const std::shared_ptr<Undertaking>& undertaking) {
    if (undertaking->givenUp)
        return leave(*undertaking);
    if (undertaking->checkReply)
        return replyCheck(undertaking);
    Blockers blockers;
    for (const auto& [group, verdict] : undertaking->verdicts)
        if (!verdict.nothingToDo)
            blockers.insert(blockers.end(), verdict.blockers.begin(), verdict.blockers.end());
    if (!blockers.empty() && undertaking->reply)
        return refuse(undertaking, ApiError::from(blockers));
    if (undertaking->options.persist)
        if (auto kept = persist(*undertaking); !kept)
            return refuse(undertaking, kept.error());
    std::vector<JobView> jobs;
    for (const auto& [group, request] : undertaking->requests) {
        const auto* entry = ledger_.find(group);
        running_.at(group).requestBefore = entry != nullptr ? entry->request : std::nullopt;
        if (auto saved = ledger_.setRequest(group, topology_, request); !saved)
            return refuse(undertaking, {ApiError::Kind::readOnly,
                                        fmt::format("the request cannot be noted, so nothing is done: {}",
                                                    saved.error().str())});
    }
    for (const auto& [group, verdict] : undertaking->verdicts) {
        if (verdict.nothingToDo)
            continue; // its Finished is on the way
        if (!verdict.blockers.empty()) {
            spdlog::warn("group {} ({}) is blocked: {}", group, running_.at(group).wanted.by,
                         ApiError::from(verdict.blockers).sentence);
            continue;
        }
        setOut(group);
        jobs.push_back(*running_.at(group).job);
    }
    groupsCameFree();
    if (undertaking->reply)
        std::exchange(undertaking->reply, nullptr)(std::move(jobs));
}

void Core::refuse(const std::shared_ptr<Undertaking>& undertaking, const ApiError& error) {
    leave(*undertaking);
    replyError(*undertaking, error);
}

/// Nothing is done to the groups: their workers end before the first write. What happened to them meanwhile
/// is seen to.
void Core::leave(const Undertaking& undertaking) {
    for (const auto group : undertaking.groups | std::views::keys) {
        running_.erase(group);
        changes_.groups.insert(group);
    }
    groupsCameFree();
    for (const auto group : undertaking.groups | std::views::keys)
        consider(group);
}

void Core::replyError(Undertaking& undertaking, const ApiError& error) {
    if (undertaking.checkReply)
        std::exchange(undertaking.checkReply, nullptr)(std::unexpected(error));
    if (undertaking.reply)
        std::exchange(undertaking.reply, nullptr)(std::unexpected(error));
}

void Core::replyCheck(const std::shared_ptr<Undertaking>& undertaking) {
    CheckResult result{.blockers = undertaking->ungrouped};
    for (const auto& [group, verdict] : undertaking->verdicts) {
        if (!verdict.nothingToDo)
            result.blockers.insert(result.blockers.end(), verdict.blockers.begin(), verdict.blockers.end());
        result.steps.insert(result.steps.end(), verdict.steps.begin(), verdict.steps.end());
    }
    leave(*undertaking);
    std::exchange(undertaking->checkReply, nullptr)(std::move(result));
}

void Core::setOut(unsigned group) {
    auto& running = running_.at(group);
    const auto& wanted = running.wanted;
    for (const auto& blocker : running.verdict->overridden)
        spdlog::warn("group {}: {} is overridden by {}", group, blocker.str(), wanted.by);
    running.job = JobView{.id = ++lastJob_,
                          .kind = std::string(verb(wanted.action)),
                          .group = group,
                          .startedUsec = realtimeUsec()};
    for (const auto& blocker : running.verdict->overridden)
        running.job->steps.emplace_back("allow " + blocker.code,
                                        fmt::format("by {}: {}", wanted.by, blocker.sentence));
    records_[group].lastError.clear();
    running.limit = loop_.timer(wanted.timeout, [this, group] { overdue(group); });
    changes_.groups.insert(group);
    changes_.manager = true;
    spdlog::info("group {}: {} begins ({})", group, verb(wanted.action), wanted.by);
    if (listener_ != nullptr)
        listener_->jobAdded(*running.job);
    running.work->go();
}

void Core::stepBegun(unsigned group, const std::string& step) {
    auto& running = running_.at(group);
    running.job->steps.emplace_back(step, "running");
    if (listener_ != nullptr)
        listener_->jobChanged(*running.job);
}

void Core::stepEnded(unsigned group, const std::string& result) {
    auto& running = running_.at(group);
    running.job->steps.back().second = result;
    const auto& step = running.job->steps.back().first;
    if (result == "done")
        spdlog::info("group {}: {}: done", group, step);
    else
        spdlog::error("group {}: {}: {}", group, step, result);
    if (running.stuck) {
        running.stuck = false;
        running.job->state = "running";
        running.limit = loop_.timer(running.wanted.timeout, [this, group] { overdue(group); });
        changes_.groups.insert(group);
    }
    if (listener_ != nullptr)
        listener_->jobChanged(*running.job);
}

/// A step, or the look before it, has not come back in time: it hangs in the kernel.
void Core::overdue(unsigned group) {
    auto& running = running_.at(group);
    running.stuck = true;
    groupsCameFree();
    changes_.groups.insert(group);
    auto& record = records_[group];
    if (!running.job) {
        record.lastError =
            fmt::format("reading the state of group {} has not come back in time: another program's unbind "
                        "hangs in the kernel (see dmesg)",
                        group);
        spdlog::error("{}", record.lastError);
        const auto undertaking = running.undertaking;
        undertaking->givenUp = undertaking->reply || undertaking->checkReply;
        return replyError(*undertaking, {ApiError::Kind::kernelRefused, record.lastError + ": ETIMEDOUT"});
    }
    running.job->state = "stuck";
    const auto step =
        running.job->steps.empty() ? std::string("the first step") : running.job->steps.back().first;
    record.lastError = fmt::format("'{}' has not come back within {} ms; it hangs in the kernel", step,
                                   running.wanted.timeout.count());
    spdlog::error("group {}: {}", group, record.lastError);
    if (listener_ != nullptr)
        listener_->jobChanged(*running.job);
    lookForHolders(group);
}

/// Names who holds a stuck group. A worker looks, since reading another process's command line can block too.
void Core::lookForHolders(unsigned group) {
    auto& running = running_.at(group);
    running.look = executor_.start({.kind = WorkOrder::Kind::holders, .group = group}, topology_,
                                   [this, group](const WorkMessage& message) {
                                       const auto it = running_.find(group);
                                       if (it == running_.end())
                                           return;
                                       if (const auto* verdict = std::get_if<Verdict>(&message))
                                           noteHolders(group, verdict->holders);
                                       else
                                           it->second.look.reset();
                                   });
}

void Core::noteHolders(unsigned group, const std::vector<Holder>& found) {
    auto& record = records_[group];
    record.holders = found;
    for (const auto& holder : found)
        record.lastError += fmt::format("; {} (pid {}) holds it", holder.command, holder.pid);
    if (!found.empty())
        spdlog::error("group {}: {}", group, record.lastError);
    changes_.groups.insert(group);
}

void Core::finish(unsigned group, const Finished& finished) {
    Running done = std::move(running_.at(group));
    running_.erase(group);
    groupsCameFree();
    changes_.manager = true;
    readDriverNames();
    noteOutcome(group, done, finished);
    if (done.job) {
        if (finished.result == "done")
            spdlog::info("group {}: {} done", group, done.job->kind);
        else
            spdlog::error("group {}: {} {}: {}", group, done.job->kind, finished.result,
                          records_[group].lastError);
        if (listener_ != nullptr)
            listener_->jobRemoved(*done.job, finished.result);
    }
    if (done.kind == WorkOrder::Kind::recover && finished.result == "rolled-back")
        resume(group);
    else
        consider(group);
    if (topology_.findGroup(group) == nullptr && !running_.contains(group))
        records_.erase(group); // it vanished meanwhile
}

void Core::noteOutcome(unsigned group, const Running& done, const Finished& finished) {
    refreshGroup(group);
    auto& record = records_[group];
    if (!done.job) {
        if (done.verdict && !done.verdict->blockers.empty())
            record.refused = std::pair(done.wanted, driversOf(group));
        return;
    }
    record.lastError = finished.error;
    for (const auto& difference : finished.differences)
        record.lastError += (record.lastError.empty() ? "" : "; ") + difference;
    record.unresolved = finished.result == "failed" && !finished.differences.empty();
    if (finished.result != "done") {
        if (done.kind != WorkOrder::Kind::recover)
            record.refused = std::pair(done.wanted, driversOf(group));
        if (done.kind == WorkOrder::Kind::carryOut && done.undertaking &&
            done.undertaking->requests.contains(group))
            if (auto saved = ledger_.setRequest(group, topology_, done.requestBefore); !saved)
                spdlog::error("group {}: the failed request cannot be taken out of the ledger: {}", group,
                              saved.error().str());
        return;
    }
    record.holders.clear();
    if (done.wanted.action == Action::bind) {
        adopt(group, done.verdict ? done.verdict->drivers : std::map<Address, std::string>{});
    } else if (auto saved = ledger_.setOwned(group, topology_, std::nullopt); !saved) {
        spdlog::error("group {} is released, but a restart will take it as ours: {}", group,
                      saved.error().str());
    }
}

/// The worker was killed, or crashed: its journal tells what is to be resolved.
void Core::died(unsigned group, const std::string& how) {
    spdlog::error("group {}: {}", group, how);
    auto& running = running_.at(group);
    if (!running.job) {
        const auto undertaking = running.undertaking;
        if (undertaking && (undertaking->reply || undertaking->checkReply))
            return refuse(undertaking,
                          {ApiError::Kind::kernelRefused,
                           fmt::format("the guards of group {} did not finish: {}", group, how)});
        return finish(group, Finished{"failed", how, {}});
    }
    const auto left = journals_.load();
    const auto journal = std::ranges::find(left.journals, group, &Journal::group);
    const bool open = journal != left.journals.end();
    finish(group, Finished{"failed", how, {}});
    if (open && !running_.contains(group))
        launchRecovery(*journal);
}

std::vector<JobView> Core::jobs() const {
    std::vector<JobView> list;
    for (const auto& running : running_ | std::views::values)
        if (running.job)
            list.push_back(*running.job);
    return list;
}

} // namespace vfiobind
