// SPDX-License-Identifier: LGPL-2.1-or-later
/// Bind, Release and Check as the root object and the groups have them alike.
#pragma once

#include "bus/calls.h"
#include "bus/options.h"

namespace vfiobind::bus {

/// Asks who calls and reads the options, then begins. Throws sdbus::Error with the refusal.
inline void changeGroups(Core& core, const sdbus::IObject& object, Action action, const Target& target,
                         const OptionMap& given, Core::JobsReply reply) {
    const auto by = changingCaller(object);
    if (!by)
        throw toBus(by.error());
    const auto options = parseOptions(action == Action::bind ? Call::bind : Call::release, given);
    if (!options)
        throw toBus(options.error());
    core.change(action, target, *options, *by, std::move(reply));
}

template <typename Result>
void checkGroups(Core& core, const Target& target, const OptionMap& given, std::shared_ptr<Result> result) {
    answer(result, [&] {
        const auto options = parseOptions(Call::check, given);
        if (!options)
            throw toBus(options.error());
        core.check(target, *options, "a check", [result](const auto& found) {
            if (!found)
                return result->returnError(toBus(found.error()));
            result->returnResults(found->blockers.empty(), toBus(found->blockers), found->steps);
        });
    });
}

} // namespace vfiobind::bus
