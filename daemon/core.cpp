// SPDX-License-Identifier: LGPL-2.1-or-later
#include "core.h"

#include "config/config.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>

namespace vfiobind {

Core::Core(EventLoop& loop, Sysfs& sysfs, Executor& executor, Modules& modules, Files files) :
    loop_(loop), sysfs_(sysfs), executor_(executor), modules_(modules), files_(std::move(files)),
    ledger_(files_.stateDirectory.empty() ? "" : files_.stateDirectory + "/ledger.json"),
    journals_(files_.stateDirectory + "/journal") {}

void Core::start() {
    if (!names_.error().empty())
        spdlog::warn("no names of devices: {}", names_.error());
    auto topology = Topology::read(sysfs_);
    if (!topology)
        throw std::runtime_error(topology.error().str());
    topology_ = std::move(*topology);
    if (!files_.stateDirectory.empty()) {
        if (auto loaded = ledger_.load(); !loaded)
            spdlog::error("what was asked for before is not known: {}", loaded.error());
        ledger_.prune(topology_);
    }
    for (const auto& [address, device] : topology_.devices())
        changes_.devices.insert(address);
    for (const auto& [number, group] : topology_.groups())
        changes_.groups.insert(number);
    changes_.manager = true;
    if (auto read = readPolicy(); !read)
        spdlog::error("no rules are in force: {}", read.error().sentence);
    resolution_ = resolve(policy_, topology_);
    if (!files_.stateDirectory.empty())
        resolveJournals();
    finishReleases();
    reconcile();
    surveyOverrides();
}

std::expected<void, ApiError> Core::readPolicy() {
    const auto refuse = [this](const std::vector<ConfigError>& errors) {
        configError_ = str(errors);
        changes_.manager = true;
        return std::unexpected(ApiError{ApiError::Kind::configInvalid, configError_});
    };
    auto policy = loadPolicy(files_.config);
    if (!policy)
        return refuse(policy.error());
    if (const auto errors = contradictions(*policy, topology_); !errors.empty())
        return refuse(errors);
    policy_ = std::move(*policy);
    wantedMoved_ = true;
    configError_.clear();
    changes_.manager = true;
    spdlog::set_level(spdlog::level::from_str(policy_.logLevel));
    return {};
}

std::expected<void, ApiError> Core::reload() {
    const auto before = policy_;
    if (auto read = readPolicy(); !read) {
        spdlog::error("the configuration is not taken over, the old one stays in force: {}",
                      read.error().sentence);
        return read;
    }
    if (!(before == policy_))
        if (auto dropped = ledger_.dropReleases(); !dropped)
            spdlog::error("released groups are not taken back: {}", dropped.error().str());
    spdlog::info("configuration read: {} rule(s) from {} file(s)", policy_.rules.size(),
                 policy_.files.size());
    for (auto& [group, record] : records_)
        forgetRefusals(record);
    std::erase_if(vfCreations_, [](const auto& entry) { return entry.second.work == nullptr; });
    reconcile();
    return {};
}

void Core::readDriverNames() {
    if (auto drivers = readDrivers(sysfs_))
        drivers_ = std::move(*drivers);
    else
        spdlog::error("the kernel's drivers cannot be listed: {}", drivers.error().str());
}

void Core::reconcile() {
    readDriverNames();
    lookForWarnings();
    resolveRules();
    for (const auto& name : resolution_.waiting)
        spdlog::info("rule {} matches no device today; it waits for one", name);
    for (const auto& blocker : resolution_.ungrouped)
        spdlog::warn("{}", blocker.str());
    for (const auto& group : topology_.groups() | std::views::keys) {
        changes_.groups.insert(group);
        consider(group);
    }
    considerVirtualFunctions();
}

std::optional<Wanted> Core::wantedFor(unsigned group) const {
    const auto rule = resolution_.groups.find(group);
    const auto* entry = ledger_.find(group);
    if (entry == nullptr || !entry->request)
        return rule == resolution_.groups.end() ? std::nullopt : std::optional(rule->second);
    const auto& request = *entry->request;
    Wanted wanted = rule == resolution_.groups.end() ? Wanted{} : rule->second;
    wanted.action = request.action;
    wanted.driver = request.driver;
    wanted.method = request.method;
    wanted.allow = request.allow;
    wanted.by = request.by;
    return wanted;
}

unsigned Core::lostMembers(unsigned group, const std::string& driver) const {
    const auto* entry = ledger_.find(group);
    if (entry == nullptr || !entry->owned)
        return 0;
    const auto named = driver == "auto" ? std::string{} : drivers_.resolve(driver);
    return static_cast<unsigned>(std::ranges::count_if(topology_.endpoints(group), [&](const Device* device) {
        const bool handed = named.empty() ? isVfioDriver(device->driver) : device->driver == named;
        return entry->owned->native.contains(device->address) && !handed;
    }));
}

/// Decides what to do about one group: nothing, most of the time.
void Core::consider(unsigned group) {
    const auto wanted = wantedFor(group);
    if (running_.contains(group) || !wanted || wanted->action == Action::release)
        return;
    const auto inputs = stateInputs(group);
    if (inputs.endpoints == 0)
        return;
    if (inputs.handedOver == inputs.endpoints) {
        if (!inputs.owned)
            adopt(group, {});
        return;
    }
    if (inputs.lost > 0)
        return watchDrift(group);
    auto& record = records_[group];
    if (record.unresolved || record.refused == std::pair(*wanted, driversOf(group)))
        return;
    auto undertaking = std::make_shared<Undertaking>();
    undertaking->groups.emplace(group, *wanted);
    begin(undertaking);
}

std::vector<std::pair<Address, std::string>> Core::driversOf(unsigned group) const {
    std::vector<std::pair<Address, std::string>> drivers;
    for (const auto* device : topology_.endpoints(group))
        drivers.emplace_back(device->address, device->driver);
    return drivers;
}

/// The group is bound as wanted: it is ours from now on. `natives` are the drivers that members were taken
/// from; a member that was on a VFIO driver when we came keeps what an earlier entry knows.
void Core::adopt(unsigned group, const std::map<Address, std::string>& natives) {
    const auto wanted = wantedFor(group);
    const auto* entry = ledger_.find(group);
    Owned owned{.rule = wanted ? wanted->rule : std::string{}};
    for (const auto* device : topology_.endpoints(group)) {
        std::string native;
        if (const auto known = natives.find(device->address);
            known != natives.end() && !isVfioDriver(known->second))
            native = known->second;
        else if (entry != nullptr && entry->owned && entry->owned->native.contains(device->address))
            native = entry->owned->native.at(device->address);
        owned.native[device->address] = native;
    }
    if (auto saved = ledger_.setOwned(group, topology_, std::move(owned)); !saved)
        spdlog::error("group {} is bound, but a restart will not know it as ours: {}", group,
                      saved.error().str());
    changes_.groups.insert(group);
}

StateInputs Core::stateInputs(unsigned group) const {
    const auto wanted = wantedFor(group);
    const auto* entry = ledger_.find(group);
    const auto running = running_.find(group);
    const auto record = records_.find(group);
    StateInputs in;
    if (running != running_.end() && (running->second.job || running->second.stuck)) {
        in.binding = running->second.wanted.action == Action::bind;
        in.releasing = !in.binding;
        in.stuck = running->second.stuck;
    }
    in.wanted = wanted && wanted->action == Action::bind;
    in.owned = entry != nullptr && entry->owned;
    if (record != records_.end()) {
        in.blocked = !record->second.blockers.empty();
        in.unresolved = record->second.unresolved;
    }
    in.endpoints = static_cast<unsigned>(topology_.endpoints(group).size());
    const std::string driver = wanted ? wanted->driver : "auto";
    if (in.wanted || in.owned) {
        in.handedOver = handedOver(topology_, group, driver, drivers_);
        in.lost = lostMembers(group, driver);
    }
    return in;
}

void Core::refreshDevice(const Address& address) {
    if (readAgain(address))
        resolveRules();
}

/// Gives back whether a rule is concerned: then, and only then, is every device matched anew.
bool Core::readAgain(const Address& address) {
    const auto copyOf = [this](const Address& wanted) {
        const auto* device = topology_.find(wanted);
        return device != nullptr ? std::optional(*device) : std::nullopt;
    };
    const auto before = copyOf(address);
    if (!topology_.refresh(sysfs_, address))
        return false;
    changes_.devices.insert(address);
    const std::array states{before, copyOf(address)};
    const auto& now = states.back();
    bool concerned = false;
    for (const auto& device : states) {
        if (device && device->group) {
            changes_.groups.insert(*device->group);
            wantedMoved_ |= resolution_.groups.contains(*device->group);
        }
        // The kernel tells of a virtual function before it links it with its physical function.
        if (device && device->physicalFunction && readAgain(*device->physicalFunction))
            concerned = true;
    }
    if (before && before->group && topology_.findGroup(*before->group) == nullptr &&
        !running_.contains(*before->group))
        records_.erase(*before->group);
    if (before && now && sameToRules(*before, *now))
        return concerned;
    ledger_.prune(topology_);
    if (now && now->group && records_.contains(*now->group))
        records_[*now->group].refused.reset();
    return concerned || std::ranges::any_of(states, [this](const auto& device) {
               return device && concerns(policy_, topology_, *device);
           });
}

/// What is wanted of a group can change with a device that is not in it: rules name virtual functions by
/// their physical one, and count devices.
void Core::resolveRules() {
    const auto before = std::exchange(resolution_, resolve(policy_, topology_));
    const auto show = [this](const auto& groups, const auto& others) {
        for (const auto& [group, wanted] : groups)
            if (const auto other = others.find(group); other == others.end() || other->second != wanted)
                changes_.groups.insert(group);
    };
    show(before.groups, resolution_.groups);
    show(resolution_.groups, before.groups);
    wantedMoved_ |= before != resolution_;
}

void Core::refreshGroup(unsigned group) {
    if (const auto* found = topology_.findGroup(group)) {
        const auto members = found->members;
        for (const auto& address : members)
            refreshDevice(address);
    }
    changes_.groups.insert(group);
}

bool Core::isMoving(unsigned group) const {
    const auto running = running_.find(group);
    return running != running_.end() && running->second.job && !running->second.stuck;
}

void Core::nodeEvent(unsigned group) {
    if (!isMoving(group))
        changes_.groups.insert(group);
}

/// While a job works on the group, drivers come and go by our own doing, and udev tells of what the kernel
/// has told before: the end of the job looks at all of it, but not at virtual functions that are to be made.
void Core::deviceEvent(const Address& address, Origin origin) {
    const auto* device = topology_.find(address);
    if (device != nullptr && device->group && isMoving(*device->group) &&
        (origin == Origin::driver ||
         (origin == Origin::udev && !resolution_.virtualFunctions.contains(address))))
        return;
    refreshDevice(address);
    device = topology_.find(address);
    if (device == nullptr)
        vfCreations_.erase(address);
    if (device == nullptr || !device->group)
        return;
    changes_.groups.insert(*device->group);
    watchDrift(*device->group);
    if (origin == Origin::udev) {
        consider(*device->group);
        if (resolution_.virtualFunctions.contains(address))
            considerVirtualFunctions();
    }
}

void Core::rescan() {
    std::set<Address> all;
    for (const auto& address : topology_.devices() | std::views::keys)
        all.insert(address);
    const auto now = Topology::read(sysfs_);
    if (!now) {
        spdlog::error("the devices cannot be read again: {}", now.error().str());
        return;
    }
    for (const auto& address : now->devices() | std::views::keys)
        all.insert(address);
    for (const auto& address : all)
        refreshDevice(address);
    reconcile();
}

void Core::resolveJournals() {
    auto left = journals_.load();
    for (const auto& error : left.errors)
        spdlog::error("a transaction's journal was left and cannot be read; see to the group by hand and "
                      "remove the file: {}",
                      error);
    for (auto& journal : left.journals)
        launchRecovery(std::move(journal));
}

/// driver_override is read by a worker, since reading can block (kernel.md 2).
void Core::surveyOverrides() {
    WorkOrder order{.kind = WorkOrder::Kind::survey};
    for (const auto& [address, device] : topology_.devices())
        if (device.endpoint())
            order.devices.push_back(address);
    survey_ = executor_.start(std::move(order), topology_, [this](const WorkMessage& message) {
        if (const auto* read = std::get_if<OverrideRead>(&message)) {
            topology_.setOverride(read->device, {.known = true, .value = read->value});
            changes_.devices.insert(read->device);
        } else {
            survey_.reset();
        }
    });
}

std::expected<Target, ApiError> Core::targetOf(std::string_view text) const {
    auto target = resolveTarget(text, policy_, topology_);
    if (!target)
        return std::unexpected(ApiError::from(target.error()));
    return std::move(*target);
}

} // namespace vfiobind
