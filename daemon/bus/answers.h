// SPDX-License-Identifier: LGPL-2.1-or-later
/// Bind, Release and Check, shared by the root object and the groups.
#pragma once

#include "bus/authority.h"
#include "bus/calls.h"
#include "bus/options.h"

namespace vfiobind::bus {

/// Looks up the target of the call. Called twice, since an authorisation can take minutes.
using FindTarget = std::function<std::expected<Target, ApiError>()>;

/// Reads the options, asks who calls and whether he may, then begins the call. Throws sdbus::Error for a
/// refusal that is known at once.
void changeGroups(Core& core, Authority& authority, sd_bus_message* call, Action action, FindTarget find,
                  const OptionMap& given, JobsReply reply);

/// The same for Acquire.
void acquireGroups(Core& core, Authority& authority, sd_bus_message* call, FindTarget find,
                   const OptionMap& given, Core::AcquireReply reply);

/// Reads the options, asks who calls, then begins the Check, if the caller does not wait for too many. Throws
/// sdbus::Error for a refusal that is known at once.
void checkGroups(Core& core, Authority& authority, sd_bus_message* call, FindTarget find,
                 const OptionMap& given, CheckReply reply);

/// Answers a Check.
template <typename Result>
CheckReply replyTo(std::shared_ptr<Result> result) {
    return [result = std::move(result)](const std::expected<CheckResult, ApiError>& found) {
        if (!found)
            return result->returnError(toBus(found.error()));
        result->returnResults(found->blockers.empty(), toBus(found->blockers), found->steps);
    };
}

} // namespace vfiobind::bus
