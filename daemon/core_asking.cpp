// SPDX-License-Identifier: LGPL-2.1-or-later
// How work is asked for, looked at and settled: from a call to the verdicts of the guards.
#include "core.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// The guards read files that can block behind another program's hung unbind.
constexpr auto verdictLimit = 10s;

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
        modules_.load(std::move(modules), [this, undertaking] {
            changes_.manager = true; // NoIommu is a parameter of a module
            launch(undertaking);
        });
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
                for (const auto& module : modules_.native(device->ids).value_or(std::vector<std::string>{}))
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
            else if (const auto native = modules_.native(device->ids); native && native->empty())
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
    std::vector<WorkOrder> orders;
    for (const auto& [group, wanted] : undertaking->groups) {
        const auto kind = running_.at(group).kind;
        orders.push_back(
            {.kind = kind, .group = group, .wanted = wanted, .drivers = driversFor(group, wanted, kind)});
    }
    try {
        auto works = executor_.startTogether(
            std::move(orders), topology_,
            [this](unsigned group, WorkMessage message) { receive(group, std::move(message)); });
        auto work = works.begin();
        for (const auto group : undertaking->groups | std::views::keys)
            running_.at(group).work = std::move(*work++);
        lookBegun(undertaking->groups.begin()->first); // each of the others tells when its turn has come
    } catch (const std::system_error& error) {
        cannotLaunch(undertaking, error.what());
    }
}

void Core::lookBegun(unsigned group) {
    running_.at(group).limit = loop_.timer(verdictLimit, [this, group] { overdue(group); });
}

/// No process, no descriptor: it is tried again when somebody asks, or when the devices change.
void Core::cannotLaunch(const std::shared_ptr<Undertaking>& undertaking, const std::string& why) {
    const auto sentence = "no worker could be started, so nothing is done: " + why;
    for (const auto& [group, wanted] : undertaking->groups) {
        spdlog::error("group {}: {}", group, sentence);
        if (undertaking->checkReply)
            continue;
        auto& record = records_[group];
        record.lastError = sentence;
        record.refused = std::pair(wanted, driversOf(group));
    }
    refuse(undertaking, {ApiError::Kind::kernelRefused, sentence});
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
    if (undertaking->givenUp)
        return letGo(*undertaking, {group});
    running.verdict = verdict;
    undertaking->verdicts[group] = std::move(verdict);
    if (undertaking->verdicts.size() < undertaking->groups.size())
        return;
    settle(undertaking);
    finishEnded(*undertaking);
}

void Core::finishEnded(const Undertaking& undertaking) {
    for (const auto group : undertaking.groups | std::views::keys)
        if (const auto running = running_.find(group);
            running != running_.end() && running->second.undertaking.get() == &undertaking)
            if (const auto ended = std::exchange(running->second.ended, std::nullopt))
                finish(group, *ended);
}

/// The reconciler's own wish can be gone when the guards have looked: a rule was taken out meanwhile.
bool Core::stillWished(const Undertaking& undertaking) const {
    return !undertaking.requests.empty() || std::ranges::all_of(undertaking.groups, [this](const auto& one) {
        return topology_.findGroup(one.first) == nullptr || wantedFor(one.first) == one.second;
    });
}

/// All verdicts are in. A call is refused as a whole when one group is blocked; the reconciler takes each for
/// itself.
void Core::settle(const std::shared_ptr<Undertaking>& undertaking) {
    if (undertaking->checkReply)
        return replyCheck(undertaking);
    if (!stillWished(*undertaking)) {
        spdlog::info("what was begun is not wanted any more, and nothing is written");
        return leave(*undertaking);
    }
    Blockers blockers;
    for (const auto& [group, verdict] : undertaking->verdicts)
        if (!verdict.nothingToDo)
            blockers.insert(blockers.end(), verdict.blockers.begin(), verdict.blockers.end());
    if (!blockers.empty() && undertaking->reply)
        return refuse(undertaking, ApiError::from(blockers));
    if (auto noted = note(*undertaking); !noted)
        return refuse(undertaking, noted.error());
    std::vector<unsigned> going;
    for (const auto& [group, verdict] : undertaking->verdicts) {
        if (verdict.nothingToDo)
            continue;
        if (!verdict.blockers.empty()) {
            spdlog::warn("group {} ({}) is blocked: {}", group, running_.at(group).wanted.by,
                         ApiError::from(verdict.blockers).sentence);
            continue;
        }
        going.push_back(group);
    }
    for (const auto group : going)
        setOut(group);
    // It is told while the workers are at work.
    std::vector<JobView> jobs;
    for (const auto group : going) {
        announce(running_.at(group));
        jobs.push_back(*running_.at(group).job);
    }
    groupsCameFree();
    if (undertaking->reply) {
        tellBeforeAnswer();
        std::exchange(undertaking->reply, nullptr)(std::move(jobs));
    }
}

/// Writes down what was asked for, in the ledger and, with persist, in the configuration: all of it or
/// nothing.
std::expected<void, ApiError> Core::note(const Undertaking& undertaking) {
    std::map<unsigned, std::optional<Request>> before;
    for (const auto group : undertaking.requests | std::views::keys) {
        const auto* entry = ledger_.find(group);
        before.emplace(group, entry != nullptr ? entry->request : std::nullopt);
        running_.at(group).requestBefore = before.at(group);
    }
    if (auto saved = ledger_.setRequests(topology_, undertaking.requests); !saved)
        return std::unexpected(ApiError{
            ApiError::Kind::readOnly,
            fmt::format("the request cannot be noted, so nothing is done: {}", saved.error().str())});
    if (!undertaking.options.persist)
        return {};
    auto noted = persist(undertaking);
    if (!noted)
        if (auto saved = ledger_.setRequests(topology_, before); !saved)
            spdlog::error("a request that was refused stays in the ledger: {}", saved.error().str());
    return noted;
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

/// The groups of a call that was given up, but those that hang.
void Core::letOthersGo(Undertaking& undertaking) {
    std::set<unsigned> others;
    for (const auto group : undertaking.groups | std::views::keys)
        if (const auto& running = running_.at(group); running.verdict || !running.limit)
            others.insert(group);
    letGo(undertaking, others);
}

void Core::letGo(Undertaking& undertaking, const std::set<unsigned>& groups) {
    Undertaking gone;
    for (const auto group : groups) {
        gone.groups.insert(undertaking.groups.extract(group));
        undertaking.verdicts.erase(group);
    }
    leave(gone);
}

/// Who reads a property after the answer is to find it as the answer says.
void Core::tellBeforeAnswer() {
    if (listener_ != nullptr)
        listener_->answering();
}

void Core::replyError(Undertaking& undertaking, const ApiError& error) {
    if (undertaking.checkReply || undertaking.reply)
        tellBeforeAnswer();
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
    tellBeforeAnswer();
    std::exchange(undertaking->checkReply, nullptr)(std::move(result));
}

} // namespace vfiobind
