// SPDX-License-Identifier: LGPL-2.1-or-later
#include "intent/intent.h"

#include "intent/drop_ins.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <ranges>
#include <spdlog/spdlog.h>
#include <utility>

namespace vfiobind {

Intent::Intent(const Machine& machine, ChangeLog& changes, LeaseBook& leases, std::string config,
               std::string ledger) :
    machine_(machine), changes_(changes), leases_(leases), config_(std::move(config)),
    ledger_(std::move(ledger)) {}

void Intent::load() {
    if (auto loaded = ledger_.load(); !loaded)
        spdlog::error("what was asked for before is not known: {}", loaded.error());
    ledger_.prune(machine_.topology());
    if (auto loaded = leases_.load(); !loaded)
        spdlog::error("what was leased before is not known: {}", loaded.error());
    leases_.prune(machine_.topology());
    if (auto done = read(); !done)
        spdlog::error("no rules are in force: {}", done.error().sentence);
    resolution_ = vfiobind::resolve(policy_, machine_.topology());
}

std::expected<void, ApiError> Intent::reload() {
    const auto before = policy_;
    if (auto done = read(); !done) {
        spdlog::error("the configuration is not taken over, the old one stays in force: {}",
                      done.error().sentence);
        return done;
    }
    if (!(before == policy_))
        if (auto dropped = ledger_.dropReleases(); !dropped)
            spdlog::error("released groups are not taken back: {}", dropped.error().str());
    spdlog::info("configuration read: {} rule(s) from {} file(s)", policy_.rules.size(),
                 policy_.files.size());
    return {};
}

std::expected<void, ApiError> Intent::read() {
    auto read = readConfigTexts(config_);
    auto texts = read;
    auto policy = validated(std::move(read));
    changes_.manager();
    if (!policy) {
        configError_ = str(policy.error());
        return std::unexpected(ApiError{ApiError::Kind::configInvalid, configError_});
    }
    putInForce(std::move(*policy), std::move(texts));
    return {};
}

std::expected<Policy, std::vector<ConfigError>> Intent::validated(ConfigTexts read) const {
    auto policy = parsePolicy(std::move(read));
    if (policy)
        if (auto errors = contradictions(*policy, machine_.topology()); !errors.empty())
            return std::unexpected(std::move(errors));
    return policy;
}

void Intent::putInForce(Policy policy, ConfigTexts texts) {
    policy_ = std::move(policy);
    index_ = PolicyIndex(policy_);
    texts_ = std::move(texts);
    policyKnown_ = true;
    configError_.clear();
    changes_.wanted();
    changes_.manager();
    spdlog::set_level(spdlog::level::from_str(policy_.logLevel));
}

void Intent::resolve() {
    const auto before = std::exchange(resolution_, vfiobind::resolve(policy_, machine_.topology()));
    const auto show = [this](const auto& groups, const auto& others) {
        for (const auto& [group, wanted] : groups)
            if (const auto other = others.find(group); other == others.end() || other->second != wanted)
                changes_.group(group);
    };
    show(before.groups, resolution_.groups);
    show(resolution_.groups, before.groups);
    show(before.asked, resolution_.asked);
    show(resolution_.asked, before.asked);
    if (before != resolution_)
        changes_.wanted();
}

bool Intent::hear(const DeviceChange& change) {
    const std::array states{&change.before, &change.now};
    for (const auto* device : states)
        if (*device && (*device)->group && resolution_.ofRule(*(*device)->group) != nullptr)
            changes_.wanted();
    if (change.before && change.now && sameToRules(*change.before, *change.now))
        return false;
    ledger_.prune(machine_.topology());
    leases_.prune(machine_.topology());
    return std::ranges::any_of(states, [this](const auto* device) {
        return *device && index_.concerns(machine_.topology(), **device);
    });
}

std::expected<Target, ApiError> Intent::targetOf(std::string_view text) const {
    auto target = resolveTarget(text, policy_, machine_.topology());
    if (!target)
        return std::unexpected(ApiError::from(target.error()));
    return std::move(*target);
}

std::optional<Wanted> Intent::wanted(unsigned group) const {
    if (const auto* request = leaseRequest(group))
        return wantedBy(*request, group);
    if (isOwed(group) && !staysAfterLeases(group))
        return requested(Action::release, group, {}, "the end of its last lease");
    return wantedByOthers(group);
}

std::optional<Wanted> Intent::wantedByOthers(unsigned group) const {
    if (const auto request = requestFor(group))
        return wantedBy(*request, group);
    const auto rule = resolution_.groups.find(group);
    return rule == resolution_.groups.end() ? std::nullopt : std::optional(rule->second);
}

Wanted Intent::wantedBy(const Request& request, unsigned group) const {
    const auto* rule = resolution_.ofRule(group);
    Wanted wanted = rule == nullptr ? Wanted{} : *rule;
    wanted.action = request.action;
    wanted.driver = request.driver;
    wanted.method = request.method;
    wanted.allow = request.allow;
    wanted.by = request.by;
    return wanted;
}

Wanted Intent::requested(Action action, unsigned group, const CallOptions& options,
                         const std::string& by) const {
    const auto* rule = resolution_.ofRule(group);
    Wanted wanted = rule == nullptr ? Wanted{} : *rule;
    wanted.action = action;
    wanted.by = by;
    if (const auto* leased = leases_.find(group)) { // all of a group's leases have one driver
        wanted.driver = leased->request.driver;
        wanted.method = leased->request.method;
    }
    if (options.driver)
        wanted.driver = *options.driver;
    if (options.method)
        wanted.method = *options.method;
    wanted.allow.insert(wanted.allow.end(), options.allow.begin(), options.allow.end());
    if (action == Action::bind)
        return wanted;
    wanted.blockers.clear(); // id-mismatch, ambiguous and unexpected-member are about taking
    if (const auto request = requestFor(group); request && request->action == Action::bind)
        wanted.driver = request->driver;
    if (owned(group) != nullptr || rule != nullptr || isOwed(group))
        return wanted;
    for (const auto* device : machine_.topology().endpoints(group))
        if (device->onVfio())
            wanted.blockers.push_back(
                {"foreign-driver", device->address,
                 fmt::format("{} is on {}, but not by vfio-bind: another program has put it there; "
                             "release it there, or allow foreign-driver",
                             device->address.str(), device->driver)});
    return wanted;
}

const Owned* Intent::owned(unsigned group) const {
    const auto* entry = ledger_.find(group);
    return entry != nullptr && entry->owned ? &*entry->owned : nullptr;
}

std::optional<Request> Intent::requestFor(unsigned group) const {
    const auto* entry = ledger_.find(group);
    return entry != nullptr ? entry->request : std::nullopt;
}

std::vector<unsigned> Intent::unfinishedReleases() const {
    std::vector<unsigned> groups;
    for (const auto& [group, entry] : ledger_.entries())
        if (entry.owned && entry.request && entry.request->action == Action::release)
            groups.push_back(group);
    return groups;
}

std::expected<void, ApiError> Intent::note(const Requests& requests, Action action,
                                           const CallOptions& options) {
    Requests before;
    for (const auto group : requests | std::views::keys)
        before.emplace(group, requestFor(group));
    if (auto saved = ledger_.setRequests(machine_.topology(), requests); !saved)
        return std::unexpected(ApiError{
            ApiError::Kind::readOnly,
            fmt::format("the request cannot be noted, so nothing is done: {}", saved.error().str())});
    overrule(requests, true);
    if (!options.persist)
        return {};
    auto persisted = persist(requests, action, options);
    if (persisted)
        return {};
    overrule(requests, false);
    if (auto saved = ledger_.setRequests(machine_.topology(), before); !saved)
        spdlog::error("a request that was refused stays in the ledger: {}", saved.error().str());
    return persisted;
}

/// Nothing is written before the rules in force are known to be valid with it. What root is editing in other
/// files stays as it is until a reload.
std::expected<void, ApiError> Intent::persist(const Requests& requests, Action action,
                                              const CallOptions& options) {
    DropIns dropIns(config_);
    for (const auto group : requests | std::views::keys) {
        const auto endpoints = machine_.topology().endpoints(group);
        if (endpoints.empty())
            continue;
        const auto name = persistedName(endpoints.front()->address);
        const auto* rule = resolution_.ofRule(group);
        const bool byHand = rule != nullptr && rule->rule != name;
        if (action == Action::bind && byHand && resolution_.groups.contains(group))
            continue; // a rule wants it at every boot already
        if (action == Action::release && byHand && resolution_.groups.contains(group))
            return std::unexpected(ApiError{
                ApiError::Kind::invalidArgument,
                fmt::format("group {} is wanted by rule {} ({}), which was written by hand; take the "
                            "rule out there to release it for good",
                            group, rule->rule, policy_.find(rule->rule)->where.str())});
        if (action == Action::bind)
            dropIns.add(name, endpoints, options);
        else
            dropIns.remove(name);
    }
    auto now = texts_;
    now.texts = dropIns.applyTo(std::move(now.texts));
    auto texts = now;
    auto policy = validated(std::move(now));
    if (!policy)
        return std::unexpected(ApiError{
            ApiError::Kind::configInvalid,
            "the rule that would be written down is not valid, so nothing is done: " + str(policy.error())});
    if (auto written = dropIns.write(); !written)
        return written;
    putInForce(std::move(*policy), std::move(texts));
    resolve();
    return {};
}

void Intent::withdraw(unsigned group, const std::optional<Request>& before) {
    overrule({{group, requestFor(group)}}, false);
    if (auto saved = ledger_.setRequests(machine_.topology(), {{group, before}}); !saved)
        spdlog::error("group {}: the failed request cannot be taken out of the ledger: {}", group,
                      saved.error().str());
}

void Intent::adopt(unsigned group, const std::map<Address, std::string>& natives) {
    const auto wanted = this->wanted(group);
    const auto* before = owned(group);
    Owned now{.rule = wanted ? wanted->rule : std::string{}};
    for (const auto* device : machine_.topology().endpoints(group)) {
        auto& native = now.native[device->address];
        if (const auto known = natives.find(device->address); known != natives.end())
            native = known->second;
        else if (before != nullptr && before->native.contains(device->address))
            native = before->native.at(device->address);
    }
    if (auto saved = ledger_.setOwned(group, machine_.topology(), std::move(now)); !saved)
        spdlog::error("group {} is bound, but a restart will not know it as ours: {}", group,
                      saved.error().str());
    changes_.group(group);
}

void Intent::disown(unsigned group) {
    if (auto saved = ledger_.setOwned(group, machine_.topology(), std::nullopt); !saved)
        spdlog::error("group {} is released, but a restart will take it as ours: {}", group,
                      saved.error().str());
}

} // namespace vfiobind
