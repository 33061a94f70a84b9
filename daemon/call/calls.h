// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "call/call.h"
#include "machine/modules.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// Begins calls: reserves their groups, has missing modules loaded, and starts the workers that look.
class Calls {
public:
    Calls(Surroundings& around, Modules& modules, Call::FindGroup group) :
        around_(around), modules_(modules), group_(std::move(group)) {}

    /// Begins a call. If guards look at one of its groups, the call waits, since a look is soon over. If a
    /// job works on one of its groups, or hangs there, the call is refused.
    void begin(Call::Order order);
    /// Call it when a group can be worked on again, or has become a job: begins the calls that wait.
    void groupsCameFree();

private:
    using CallPtr = std::shared_ptr<Call>;
    std::optional<ApiError> obstacle(const Call& call, bool& waits) const;
    void begin(const CallPtr& call);
    void launch(const CallPtr& call);
    std::vector<std::string> modulesToLoad(const Call& call) const;
    std::vector<std::string> consolesOf(unsigned group) const;
    Drivers driversFor(unsigned group, const Wanted& wanted, bool check) const;

    Surroundings& around_;
    Modules& modules_;
    Call::FindGroup group_;
    std::vector<CallPtr> waiting_;
    EventSource beginWaiting_;
};

} // namespace vfiobind
