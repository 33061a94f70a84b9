// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/answers.h"

#include <algorithm>
#include <fmt/ranges.h>
#include <ranges>
#include <set>

namespace vfiobind::bus {
namespace {

/// Module and driver are one but for this: the module `mlx5_vfio_pci` has the driver `mlx5_vfio_pci`, and
/// `vfio_pci` has `vfio-pci`.
std::string plainName(std::string driver) {
    std::ranges::replace(driver, '_', '-');
    return driver;
}

/// Whether the call names a driver that is neither what would be taken without it, nor a VFIO driver made for
/// every device of the target: such a driver's module is root's code, and its probe the card's risk.
bool choosesDriver(const Core& core, const Target& target, const CallOptions& options) {
    if (!options.driver || *options.driver == "auto" || plainName(*options.driver) == "vfio-pci")
        return false;
    const auto chosen = plainName(*options.driver);
    for (const auto& order : target.virtualFunctions | std::views::values)
        if (plainName(order.driver) != chosen)
            return true;
    for (const auto group : target.groups) {
        const auto* rule = core.intent().resolution().ofRule(group);
        if (rule != nullptr && plainName(rule->driver) == chosen)
            continue;
        for (const auto* device : core.topology().endpoints(group))
            if (plainName(core.modules().automatic(device->ids)) != chosen)
                return true;
    }
    return false;
}

std::vector<std::string> actionsOf(const Core& core, Call call, const Target& target,
                                   const CallOptions& options) {
    std::vector<std::string> actions{call == Call::acquire ? "acquire"
                                     : call == Call::bind  ? "bind"
                                                           : "release"};
    if (call != Call::release && choosesDriver(core, target, options))
        actions.emplace_back("choose-driver");
    if (!options.allow.empty())
        actions.emplace_back("override-guard");
    if (options.persist)
        actions.emplace_back("persist");
    return actions;
}

/// Returns what a polkit rule can decide by. `devices` has the addresses of all endpoints that would be
/// moved.
Authority::Details detailsOf(const Core& core, Action action, const Target& target,
                             const CallOptions& options) {
    std::set<std::string> devices;
    std::set<std::string> drivers;
    std::set<std::string> methods;
    std::set<std::string> units;
    for (const auto group : target.groups) {
        for (const auto* device : core.topology().endpoints(group))
            devices.insert(device->address.str());
        const auto wanted = core.intent().requested(action, group, options, {});
        drivers.insert(wanted.driver);
        for (const auto& unit :
             wanted.action == Action::bind ? wanted.pauseUnits : std::vector<std::string>{})
            units.insert(unit);
        methods.emplace(wanted.method == Method::newId ? "new-id" : "override");
    }
    // Of functions that are not made yet nothing but the physical function is known.
    std::set<unsigned> groups = target.groups;
    for (const auto& [address, order] : target.virtualFunctions) {
        devices.insert(address.str());
        drivers.insert(options.driver.value_or(order.driver));
        if (const auto* device = core.topology().find(address); device != nullptr && device->group)
            groups.insert(*device->group);
    }
    Authority::Details details{{"group", fmt::format("{}", fmt::join(groups, " "))},
                               {"devices", fmt::format("{}", fmt::join(devices, " "))},
                               {"driver", fmt::format("{}", fmt::join(drivers, " "))},
                               {"method", fmt::format("{}", fmt::join(methods, " "))},
                               {"allow", fmt::format("{}", fmt::join(options.allow, " "))}};
    if (!units.empty())
        details.emplace("pause-units", fmt::format("{}", fmt::join(units, " ")));
    return details;
}

/// Returns the error if leases are against the call. Asked before virtual functions are made, since those
/// stay: whoever is to be refused causes no write. Their groups are not known then, which is why the physical
/// function's counts; how many leases the caller may have, the core looks at where nothing is to be made.
std::optional<ApiError> leasesAreAgainst(const Core& core, Call call, const Target& target,
                                         const CallOptions& options, uid_t uid) {
    auto concerned = target;
    for (const auto& address : target.virtualFunctions | std::views::keys)
        if (const auto* device = core.topology().find(address); device != nullptr && device->group)
            concerned.groups.insert(*device->group);
    const auto action = call == Call::release ? Action::release : Action::bind;
    if (auto forbidden = core.intent().leaseForbids(action, concerned, options, uid))
        return forbidden;
    if (call == Call::acquire && !target.virtualFunctions.empty())
        if (auto room = core.intent().checkRoom(uid, target.groups); !room)
            return room.error();
    return std::nullopt;
}

using Go = std::function<void(const Caller& caller, const Target& target, const CallOptions& options)>;
using Refuse = std::function<void(const ApiError& error)>;

void authoriseMade(Core& core, Authority& authority, const Caller& caller, Call call, const FindTarget& find,
                   const CallOptions& options, const Go& go, const Refuse& refuse);

/// Returns the options, or throws the refusal.
CallOptions parsed(Call call, const OptionMap& given) {
    auto options = parseOptions(call, given);
    if (!options)
        throw toBus(options.error());
    return std::move(*options);
}

/// Asks polkit whether the caller may; then checks that the target is still what the caller was authorised
/// for.
void authorise(Core& core, Authority& authority, const Caller& caller, Call call, const FindTarget& find,
               const CallOptions& options, const Go& go, const Refuse& refuse) {
    const auto action = call == Call::release ? Action::release : Action::bind;
    const auto target = find();
    if (!target)
        return refuse(target.error());
    if (action == Action::release && target->groups.empty() && target->ungrouped.empty())
        return refuse(ApiError{ApiError::Kind::noSuchDevice,
                               "the rule's virtual functions are not made, so there is nothing to release"});
    auto details = detailsOf(core, action, *target, options);
    const auto authorised = [&core, &authority, action, call, find, options, caller, details, go,
                             refuse](const std::optional<ApiError>& denial) {
        if (denial)
            return refuse(*denial);
        const auto now = find();
        if (!now)
            return refuse(now.error());
        if (detailsOf(core, action, *now, options) != details)
            return refuse(
                ApiError{ApiError::Kind::busy,
                         fmt::format("devices came or went while {} was authorised for {}; ask again",
                                     caller.str(), details.at("devices"))});
        if (const auto against = leasesAreAgainst(core, call, *now, options, caller.uid))
            return refuse(*against);
        if (action == Action::bind && !now->virtualFunctions.empty())
            return core.makeFunctions(now->virtualFunctions, [&core, &authority, caller, call, find, options,
                                                              go, refuse](const std::string& failure) {
                if (!failure.empty())
                    return refuse(ApiError{ApiError::Kind::kernelRefused, failure});
                authoriseMade(core, authority, caller, call, find, options, go, refuse);
            });
        go(caller, *now, options);
    };
    authority.ask(caller, actionsOf(core, call, *target, options), std::move(details), authorised);
}

/// Asks the bus who calls, then authorises the caller.
void identifyAndAuthorise(Core& core, Authority& authority, sd_bus_message* message, Call call,
                          FindTarget find, const OptionMap& given, Go go, const Refuse& refuse) {
    auto options = parsed(call, given);
    authority.callers().identify(
        message,
        [&core, &authority, call, find = std::move(find), options = std::move(options), go = std::move(go),
         refuse](const Caller& caller) {
            authorise(core, authority, caller, call, find, options, go, refuse);
        },
        refuse);
}

/// The virtual functions are made: asks again, for now it is known what is taken.
void authoriseMade(Core& core, Authority& authority, const Caller& caller, Call call, const FindTarget& find,
                   const CallOptions& options, const Go& go, const Refuse& refuse) {
    const auto made = find();
    if (!made)
        return refuse(made.error());
    if (made->groups.empty() || !made->virtualFunctions.empty())
        return refuse(
            ApiError{ApiError::Kind::busy, "the virtual functions were made and went away again; ask again"});
    authorise(core, authority, caller, call, find, options, go, refuse);
}

} // namespace

void changeGroups(Core& core, Authority& authority, sd_bus_message* call, Action action, FindTarget find,
                  const OptionMap& given, JobsReply reply) {
    identifyAndAuthorise(
        core, authority, call, action == Action::bind ? Call::bind : Call::release, std::move(find), given,
        [&core, action, reply](const Caller& caller, const Target& target, const CallOptions& options) {
            core.change(action, target, options, {.uid = caller.uid, .by = caller.str()}, reply);
        },
        [reply](const ApiError& error) { reply(std::unexpected(error)); });
}

void acquireGroups(Core& core, Authority& authority, sd_bus_message* call, FindTarget find,
                   const OptionMap& given, Core::AcquireReply reply) {
    identifyAndAuthorise(
        core, authority, call, Call::acquire, std::move(find), given,
        [&core, reply](const Caller& caller, const Target& target, const CallOptions& options) {
            core.acquire(target, options, {.uid = caller.uid, .what = options.what, .by = caller.str()},
                         reply);
        },
        [reply](const ApiError& error) { reply(std::unexpected(error)); });
}

void checkGroups(Core& core, Authority& authority, sd_bus_message* call, FindTarget find,
                 const OptionMap& given, CheckReply reply) {
    authority.callers().identify(
        call,
        [&core, find = std::move(find), options = parsed(Call::check, given), reply](const Caller& caller) {
            const Asker asker{.uid = caller.uid, .by = caller.str()};
            if (const auto refusal = core.checkRefusal(asker))
                return reply(std::unexpected(*refusal));
            const auto target = find();
            if (!target)
                return reply(std::unexpected(target.error()));
            core.check(*target, options, asker, reply);
        },
        [reply](const ApiError& error) { reply(std::unexpected(error)); });
}

} // namespace vfiobind::bus
