// SPDX-License-Identifier: LGPL-2.1-or-later
// What callers ask of the core.
#include "core.h"

namespace vfiobind {

void Core::change(Action action, const Target& target, const CallOptions& options, const Asker& asker,
                  JobsReply reply) {
    if (options.persist && !intent_.configError().empty())
        return reply(std::unexpected(
            ApiError{ApiError::Kind::configInvalid,
                     "nothing can be added to a configuration that is not valid: " + intent_.configError()}));
    if (!target.ungrouped.empty())
        return reply(std::unexpected(ApiError::from(target.ungrouped)));
    Call::Order order{.action = action, .options = options, .reader = asker.uid, .reply = std::move(reply)};
    for (const auto number : target.groups) {
        groupAt(number).forgetRefusals();
        const auto wanted = intent_.requested(action, number, options, asker.by);
        order.groups.emplace(number, wanted);
        order.authorised.emplace(number, intent_.membersOf(number));
        order.requests.emplace(number, Request{.action = action,
                                               .driver = wanted.driver,
                                               .method = wanted.method,
                                               .allow = wanted.allow,
                                               .rule = wanted.rule,
                                               .by = asker.by});
    }
    calls_.begin(std::move(order));
}

void Core::acquire(const Target& target, const CallOptions& options, Lessee lessee, AcquireReply reply) {
    if (!target.ungrouped.empty())
        return reply(std::unexpected(ApiError::from(target.ungrouped)));
    if (const auto room = intent_.checkRoom(lessee.uid, target.groups); !room)
        return reply(std::unexpected(room.error()));
    const auto lease = std::make_shared<std::optional<Descriptor>>();
    Call::Order order{.action = Action::bind, .options = options, .reader = lessee.uid, .lease = lease};
    order.reply = [lease,
                   reply = std::move(reply)](const std::expected<std::vector<JobView>, ApiError>& jobs) {
        if (!jobs)
            return reply(std::unexpected(jobs.error()));
        reply(Acquired{.lease = std::move(lease->value()), .jobs = *jobs});
    };
    for (const auto number : target.groups) {
        groupAt(number).forgetRefusals();
        order.groups.emplace(number, intent_.requested(Action::bind, number, options, lessee.by));
        order.authorised.emplace(number, intent_.membersOf(number));
    }
    order.lessee = std::move(lessee);
    calls_.begin(std::move(order));
}

void Core::check(const Target& target, const CallOptions& options, const Asker& asker, CheckReply reply) {
    if (target.groups.empty() || !target.virtualFunctions.empty()) {
        CheckResult result{.blockers = target.ungrouped, .steps = {}};
        virtualFunctions_.check(target.virtualFunctions, result.blockers, result.steps);
        return reply(result);
    }
    std::map<unsigned, Wanted> groups;
    for (const auto number : target.groups)
        groups.emplace(number, intent_.requested(Action::bind, number, options, "a check"));
    if (const auto refusal = calls_.refusal(groups))
        return reply(std::unexpected(*refusal));
    checks_.ask(asker, std::move(groups), target.ungrouped, std::move(reply));
}

} // namespace vfiobind
