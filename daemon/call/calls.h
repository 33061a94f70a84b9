// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "call/call.h"
#include "machine/modules.h"

#include <map>
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

    /// Begins a call. If guards look at one of its groups, the call waits, since a look is soon over; but a
    /// change waits for no check, which is set aside. If a job works on one of its groups, or hangs there,
    /// the call is refused.
    void begin(Call::Order order);
    /// Returns why a call for these groups would be refused now.
    std::optional<ApiError> refusal(const std::map<unsigned, Wanted>& groups) const;
    /// Whether a look or a job is at one of the groups, or a change waits for one.
    bool areOccupied(const std::map<unsigned, Wanted>& groups) const;
    /// Call it when a group can be worked on again, or has become a job: begins the calls that wait.
    void groupsCameFree();

private:
    using CallPtr = std::shared_ptr<Call>;
    void begin(const CallPtr& call);
    void setChecksAside(const Call& change);
    void launch(const CallPtr& call);
    std::vector<std::string> modulesToLoad(const Call& call) const;
    std::vector<std::string> consolesOf(unsigned group) const;
    Drivers driversFor(unsigned group, const Wanted& wanted, bool check) const;

    Surroundings& around_;
    Modules& modules_;
    Call::FindGroup group_;
    std::vector<CallPtr> waiting_;
    std::vector<std::weak_ptr<Call>> checks_; ///< that look
    EventSource beginWaiting_;
};

} // namespace vfiobind
