// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core.h"

#include <algorithm>
#include <chrono>
#include <ranges>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

/// For the rules that follow an event; where udevd does not run, nothing waits for it longer.
constexpr auto udevsTime = std::chrono::seconds(5);

} // namespace

Core::Core(EventLoop& loop, const Sysfs& sysfs, Executor& executor, Modules& modules, LeaseStore& store,
           Files files) :
    loop_(loop), modules_(modules), files_(std::move(files)), machine_(sysfs, changes_),
    leases_(loop, store, files_.stateDirectory.empty() ? "" : files_.stateDirectory + "/leases.json"),
    intent_(machine_, changes_, leases_, files_.config,
            files_.stateDirectory.empty() ? "" : files_.stateDirectory + "/ledger.json"),
    journals_(files_.stateDirectory),
    around_{.loop = loop,
            .executor = executor,
            .machine = machine_,
            .intent = intent_,
            .changes = changes_,
            .journals = journals_,
            .refreshDevice = [this](const Address& address) { refreshDevice(address); },
            .refresh = [this](unsigned group) { refreshGroup(group); },
            .cameFree =
                [this] {
                    calls_.groupsCameFree();
                    checks_.groupsCameFree();
                },
            .consider = [this](unsigned group, bool cutOff) { consider(group, cutOff); },
            .undertake = [this](unsigned group, const Wanted& wanted,
                                bool takesBack) { undertake(group, wanted, takesBack); }},
    calls_(around_, modules, [this](unsigned number) -> Group& { return groupAt(number); }),
    checks_(loop, calls_,
            [this] {
                return std::ranges::any_of(groups_,
                                           [](const auto& entry) { return entry.second.isChanging(); });
            }),
    virtualFunctions_(around_, files_.stateDirectory,
                      [this](unsigned number, const std::string& why) { groupAt(number).fail(why); }),
    warnings_(loop, machine_, intent_, changes_, files_.stateDirectory), survey_(loop, executor, machine_) {
    leases_.onEnded([this](unsigned group, bool) {
        changes_.group(group);
        consider(group, false);
    });
}

void Core::start() {
    if (!names_.error().empty())
        spdlog::warn("no names of devices: {}", names_.error());
    machine_.read();
    intent_.load();
    if (around_.pauser != nullptr)
        if (const auto loaded = around_.pauser->load(); !loaded)
            spdlog::error("which units stand still is not known: {}", loaded.error());
    if (!files_.stateDirectory.empty())
        resolveJournals();
    finishReleases();
    reconcile();
    survey_.begin();
}

std::expected<void, ApiError> Core::reload() {
    if (auto done = intent_.reload(); !done)
        return done;
    for (auto& group : groups_ | std::views::values)
        group.forgetRefusals();
    virtualFunctions_.forgive();
    reconcile();
    return {};
}

void Core::reconcile() {
    machine_.readDrivers();
    resolveRules();
    warnings_.look();
    for (const auto& name : intent_.resolution().waiting)
        spdlog::info("rule {} matches no device today; it waits for one", name);
    for (const auto& blocker : intent_.resolution().ungrouped)
        spdlog::warn("{}", blocker.str());
    for (const auto& number : machine_.topology().groups() | std::views::keys) {
        changes_.group(number);
        consider(number, false);
    }
    virtualFunctions_.look();
}

Group& Core::groupAt(unsigned number) {
    return groups_.try_emplace(number, around_, number).first->second;
}

bool Core::isSettled() const {
    return !virtualFunctions_.isCreating() && std::ranges::none_of(groups_, [](const auto& entry) {
        return entry.second.isLookedAt() || entry.second.isWorking();
    });
}

const Group* Core::group(unsigned number) const {
    const auto it = groups_.find(number);
    return it == groups_.end() ? nullptr : &it->second;
}

std::string Core::groupState(unsigned number) const {
    const auto* known = group(number);
    return known != nullptr ? known->state() : "native";
}

const JobView* Core::jobOf(unsigned number) const {
    const auto* known = group(number);
    return known != nullptr ? known->job() : nullptr;
}

std::vector<const JobView*> Core::jobs() const {
    std::vector<const JobView*> list;
    for (const auto& group : groups_ | std::views::values)
        if (const auto* job = group.job())
            list.push_back(job);
    return list;
}

void Core::consider(unsigned number, bool cutOff) {
    if (!machine_.hasGroup(number))
        return;
    if (group(number) == nullptr && !intent_.wanted(number) && intent_.owned(number) == nullptr)
        return; // nothing is wanted of most groups, and those take no memory
    auto& group = groupAt(number);
    switch (decide(group.situation(cutOff))) {
    case Decision::nothing:
        return;
    case Decision::adopt:
        return intent_.adopt(number, {});
    case Decision::watchDrift:
        return group.watchDrift();
    case Decision::awaitHolders:
        return group.awaitHolders();
    case Decision::settle:
        // The worker that gave it back can have outlived the daemon that began the release.
        if (const auto now = group.situation(false);
            now.owned && now.wanted == Action::release && now.handedOver == 0)
            intent_.disown(number);
        intent_.settleLease(number);
        return consider(number, cutOff);
    case Decision::bind:
    case Decision::release:
        return undertake(number, *intent_.wanted(number), false);
    }
}

void Core::undertake(unsigned number, const Wanted& wanted, bool takesBack) {
    if (groupAt(number).isIdle())
        calls_.begin({.action = wanted.action, .groups = {{number, wanted}}, .takesBack = takesBack});
}

/// Reads the device anew. Resolves the rules for all devices only if a rule is concerned.
void Core::refreshDevice(const Address& address) {
    bool concerned = false;
    for (const auto& change : machine_.refresh(address)) {
        concerned |= intent_.hear(change);
        if (change.now && change.now->group && !(change.before && sameToRules(*change.before, *change.now)))
            if (const auto known = groups_.find(*change.now->group); known != groups_.end())
                known->second.membersChanged();
    }
    if (concerned)
        resolveRules();
}

void Core::resolveRules() {
    intent_.resolve();
    warnings_.rulesResolved();
    for (const auto& number : intent_.resolution().groups | std::views::keys)
        groupAt(number);
}

void Core::refreshGroup(unsigned number) {
    if (const auto* found = machine_.topology().findGroup(number)) {
        const auto members = found->members;
        for (const auto& address : members)
            refreshDevice(address);
    }
    changes_.group(number);
}

void Core::nodeEvent(unsigned number) {
    const auto* known = group(number);
    if (known == nullptr || !known->isWorking())
        changes_.group(number);
}

/// Ignores events of a group that a job works on: the daemon itself moves the drivers, udev repeats the
/// kernel's events, and the end of the job looks at the whole group. Only virtual functions that are to be
/// made need the event.
void Core::deviceEvent(const Address& address, EventOrigin origin) {
    if (origin == EventOrigin::udev)
        unsettled_.erase(address);
    else
        unsettled_.insert(address);
    const auto groupOf = [&]() -> std::optional<unsigned> {
        const auto* device = machine_.topology().find(address);
        return device != nullptr ? device->group : std::nullopt;
    };
    const auto makesFunctions = [&] {
        const auto& resolution = intent_.resolution();
        return resolution.virtualFunctions.contains(address) ||
               resolution.askedVirtualFunctions.contains(address);
    };
    const auto before = groupOf();
    const auto* known = before ? group(*before) : nullptr;
    if (known != nullptr && known->isWorking() &&
        (origin == EventOrigin::driver || (origin == EventOrigin::udev && !makesFunctions())))
        return;
    refreshDevice(address);
    if (machine_.topology().find(address) == nullptr)
        virtualFunctions_.forget(address);
    const auto number = groupOf();
    if (!number)
        return;
    changes_.group(*number);
    if (const auto owner = groups_.find(*number); owner != groups_.end())
        owner->second.watchDrift();
    if (origin != EventOrigin::udev)
        return;
    consider(*number, false);
    if (makesFunctions())
        virtualFunctions_.look();
}

void Core::rescan() {
    const auto all = machine_.allAddresses();
    if (!all) {
        spdlog::error("the devices cannot be read again: {}", all.error().str());
        return;
    }
    for (const auto& address : *all)
        refreshDevice(address);
    reconcile();
}

void Core::resolveJournals() {
    auto left = journals_.load();
    for (const auto& error : left.errors)
        spdlog::error("a transaction's journal was left and cannot be read: {}", error);
    for (auto& journal : left.journals) {
        auto& group = groupAt(journal.group);
        group.recover(std::move(journal));
    }
}

/// Finishes releases that were asked for: the daemon was ended before their journal was written, or after
/// that journal was removed.
void Core::finishReleases() {
    for (const auto number : intent_.unfinishedReleases()) {
        const auto& group = groupAt(number);
        if (!group.isIdle())
            continue;
        if (group.situation(true).handedOver > 0)
            consider(number, true);
        else
            intent_.disown(number);
    }
}

/// However an attempt ended, or a daemon or worker died: units stand still only for groups that a call or a
/// job has, or that are bound. They start once udev is through with the devices that they will look for.
void Core::resumeUnits() {
    if (around_.pauser == nullptr)
        return;
    for (const auto number : around_.pauser->groups()) {
        const auto* known = group(number);
        const bool idle = known == nullptr || known->isIdle();
        if (!idle || intent_.owned(number) != nullptr || machine_.handedOver(number, "auto") > 0)
            continue;
        const auto endpoints = machine_.topology().endpoints(number);
        const bool settled = std::ranges::none_of(
            endpoints, [this](const Device* device) { return unsettled_.contains(device->address); });
        if (settled)
            around_.pauser->resume(number);
        else if (!udevIsLate_)
            udevIsLate_ = loop_.timer(udevsTime, [this] {
                udevIsLate_.reset();
                unsettled_.clear();
            });
    }
}

Changes Core::takeChanges() {
    resumeUnits();
    auto changes = changes_.take();
    bool moved = changes.wanted;
    for (const auto number : changes.groups) {
        if (!sweep_ && !machine_.hasGroup(number) && group(number) != nullptr)
            sweep_ = loop_.soon(
                [this] { forgetGroupsThatAreGone(); }); // not while one of the groups reports its end
        const auto state = machine_.hasGroup(number) ? groupState(number) : std::string("native");
        moved |= counts_.count(number, state) && intent_.resolution().ofRule(number) != nullptr;
    }
    revision_ += moved ? 1 : 0;
    return changes;
}

void Core::forgetGroupsThatAreGone() {
    sweep_.reset();
    std::erase_if(groups_, [this](const auto& entry) {
        return entry.second.isIdle() && !machine_.hasGroup(entry.first);
    });
}

} // namespace vfiobind
