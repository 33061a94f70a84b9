// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/answers.h"

#include <fmt/ranges.h>
#include <set>

namespace vfiobind::bus {
namespace {

std::vector<std::string> actionsOf(Action action, const CallOptions& options) {
    std::vector<std::string> actions{action == Action::bind ? "bind" : "release"};
    if (!options.allow.empty())
        actions.emplace_back("override-guard");
    if (options.persist)
        actions.emplace_back("persist");
    return actions;
}

/// What a rule of polkit can decide by. Addresses are those of all endpoints that would be moved.
Authority::Details detailsOf(const Core& core, Action action, const Target& target,
                             const CallOptions& options) {
    std::set<std::string> devices;
    std::set<std::string> drivers;
    for (const auto group : target.groups) {
        for (const auto* device : core.topology().endpoints(group))
            devices.insert(device->address.str());
        drivers.insert(core.intent().requested(action, group, options, {}).driver);
    }
    return {{"group", fmt::format("{}", fmt::join(target.groups, " "))},
            {"devices", fmt::format("{}", fmt::join(devices, " "))},
            {"driver", fmt::format("{}", fmt::join(drivers, " "))},
            {"allow", fmt::format("{}", fmt::join(options.allow, " "))}};
}

} // namespace

void changeGroups(Core& core, Authority& authority, const Caller& caller, Action action, FindTarget find,
                  const OptionMap& given, JobsReply reply) {
    const auto options = parseOptions(action == Action::bind ? Call::bind : Call::release, given);
    if (!options)
        throw toBus(options.error());
    const auto target = find();
    if (!target)
        throw toBus(target.error());
    auto details = detailsOf(core, action, *target, *options);
    const auto go = [&core, action, find = std::move(find), options = *options, by = caller.str(), details,
                     reply = std::move(reply)](const std::optional<ApiError>& denial) {
        if (denial)
            return reply(std::unexpected(*denial));
        const auto now = find();
        if (!now)
            return reply(std::unexpected(now.error()));
        if (detailsOf(core, action, *now, options) != details)
            return reply(std::unexpected(
                ApiError{ApiError::Kind::busy,
                         fmt::format("devices came or went while {} was authorised for {}; ask again", by,
                                     details.at("devices"))}));
        core.change(action, *now, options, by, reply);
    };
    authority.ask(caller, actionsOf(action, *options), std::move(details), go);
}

} // namespace vfiobind::bus
