// SPDX-License-Identifier: LGPL-2.1-or-later
// How leases bear on what is wanted.
#include "intent/intent.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

void addLeased(std::string& sentences, const std::string& sentence) {
    sentences += (sentences.empty() ? "leased: " : "; leased: ") + sentence;
}

} // namespace

/// Returns how the group's leases want it bound; nullptr if it is not leased, or if a Release took it from
/// its leases.
const Request* Intent::leaseRequest(unsigned group) const {
    const auto* leased = leases_.find(group);
    return leased != nullptr && !leased->overruled && leases_.isLeased(group) ? &leased->request : nullptr;
}

bool Intent::isOwed(unsigned group) const {
    return policyKnown_ && leases_.find(group) != nullptr && !leases_.isLeased(group);
}

bool Intent::staysAfterLeases(unsigned group) const {
    const auto* leased = leases_.find(group);
    const auto* rule = resolution_.ofRule(group);
    const auto others = wantedByOthers(group);
    return (leased != nullptr && leased->boundBefore) ||
           (rule != nullptr && rule->giveBack == GiveBack::never) ||
           (others && others->action == Action::bind);
}

bool Intent::isLeasedOnly(unsigned group) const {
    const auto* leased = leases_.find(group);
    const auto others = wantedByOthers(group);
    return leased != nullptr && !leased->boundBefore && !(others && others->action == Action::bind);
}

void Intent::settleLease(unsigned group) {
    if (staysAfterLeases(group))
        spdlog::info(
            "group {} stays bound after its last lease, as it was before or as a rule or a call has it",
            group);
    leases_.settle(group);
    changes_.group(group);
}

std::optional<ApiError> Intent::leaseForbids(Action action, const Target& target, const CallOptions& options,
                                             uid_t uid) const {
    const bool allowed = std::ranges::find(options.allow, "leased") != options.allow.end();
    std::string sentences;
    for (const auto group : target.groups) {
        const auto* request = leaseRequest(group);
        if (request == nullptr)
            continue;
        if (action == Action::release && !allowed) {
            std::string names;
            for (const auto* lease : leases_.leasesOn(group))
                names += (names.empty() ? "" : ", ") + describe(*lease, uid == 0 || uid == lease->uid);
            addLeased(sentences,
                      fmt::format("group {} is leased by {}; it goes back when these have ended, or now if "
                                  "leased is allowed",
                                  group, names));
        }
        if (action == Action::bind && options.driver && *options.driver != request->driver &&
            machine_.handedOver(group, *options.driver) != machine_.topology().endpoints(group).size())
            addLeased(
                sentences,
                fmt::format("group {} is leased with driver {}, and can have no other until it goes back",
                            group, request->driver));
    }
    return sentences.empty() ? std::nullopt : std::optional(ApiError{ApiError::Kind::inUse, sentences});
}

std::expected<void, ApiError> Intent::checkRoom(uid_t uid, const std::set<unsigned>& groups) const {
    if (auto room = leases_.checkRoom(uid, groups); !room)
        return std::unexpected(ApiError{ApiError::Kind::limitsExceeded, room.error()});
    return {};
}

std::map<Address, Ids> Intent::membersOf(unsigned group) const {
    std::map<Address, Ids> members;
    for (const auto* device : machine_.topology().endpoints(group))
        members[device->address] = device->ids;
    return members;
}

void Intent::grant(const Lessee& lessee, const std::map<unsigned, Wanted>& groups,
                   const std::set<unsigned>& bound, Granted granted) {
    std::set<unsigned> numbers;
    std::map<unsigned, LeasedGroup> leased;
    for (const auto& [group, wanted] : groups) {
        const auto* known = leases_.find(group);
        numbers.insert(group);
        leased.emplace(
            group, LeasedGroup{.members = membersOf(group),
                               .request = {.driver = wanted.driver,
                                           .method = wanted.method,
                                           .allow = wanted.allow,
                                           .rule = wanted.rule,
                                           .by = wanted.by},
                               .boundBefore = known != nullptr ? known->boundBefore : bound.contains(group)});
    }
    if (auto room = checkRoom(lessee.uid, numbers); !room)
        return granted(std::unexpected(room.error()));
    leases_.grant(lessee.uid, lessee.what, leased,
                  [this, numbers, granted = std::move(granted)](SysResult<Descriptor> lease) {
                      for (const auto group : numbers)
                          changes_.group(group);
                      if (lease)
                          return granted(std::move(*lease));
                      granted(std::unexpected(
                          ApiError{ApiError::Kind::readOnly,
                                   fmt::format("the lease cannot be written down, so nothing is done: {}",
                                               lease.error().str())}));
                  });
}

/// A Release takes a group from its leases, or has failed to.
void Intent::overrule(const Requests& requests, bool overruled) {
    for (const auto& [group, request] : requests)
        if (request && request->action == Action::release && leases_.isLeased(group))
            if (auto saved = leases_.overrule(group, overruled); !saved)
                spdlog::error("group {}: that it is taken from its leases cannot be written down: {}", group,
                              saved.error().str());
}

} // namespace vfiobind
