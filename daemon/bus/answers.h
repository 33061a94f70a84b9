// SPDX-License-Identifier: LGPL-2.1-or-later
/// Bind, Release and Check, shared by the root object and the groups.
#pragma once

#include "bus/authority.h"
#include "bus/calls.h"
#include "bus/options.h"

namespace vfiobind::bus {

/// Looks up the target of the call. Called twice, since an authorisation can take minutes.
using FindTarget = std::function<std::expected<Target, ApiError>()>;

/// Reads the options, asks whether the caller may, then begins the call. Throws sdbus::Error for a refusal
/// that is known at once.
void changeGroups(Core& core, Authority& authority, const Caller& caller, Action action, FindTarget find,
                  const OptionMap& given, JobsReply reply);

/// The same for Acquire.
void acquireGroups(Core& core, Authority& authority, const Caller& caller, FindTarget find,
                   const OptionMap& given, Core::AcquireReply reply);

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
