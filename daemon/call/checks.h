// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "call/calls.h"

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace vfiobind {

/// The Checks that are not answered yet. Anybody may ask for one, and each is a look at the host by a worker:
/// so few go at a time, with rests between them, one asker has few, and who asks for the same as another that
/// waits shares its look.
class Checks {
public:
    /// `changing` tells whether a change is under way.
    Checks(EventLoop& loop, Calls& calls, std::function<bool()> changing) :
        loop_(loop), calls_(calls), changing_(std::move(changing)) {}

    /// Returns the refusal for an asker that has as many unanswered Checks as one may have. Counts the
    /// users'; those of root, who is many programs, by connection.
    std::optional<ApiError> refusal(const Asker& asker) const;
    /// Looks at the groups, or waits for its turn: changes go first, those that are asked for later too, and
    /// no look begins beside one, if that does not take too long. `ungrouped` becomes part of the answer.
    void ask(const Asker& asker, std::map<unsigned, Wanted> groups, Blockers ungrouped, CheckReply reply);
    /// Call it when a group can be looked at again.
    void groupsCameFree();

private:
    using Clock = std::chrono::steady_clock;
    struct Waiter {
        Asker asker;
        CheckReply reply;
    };
    struct Look {
        std::map<unsigned, Wanted> groups;
        Blockers ungrouped;
        std::vector<Waiter> waiters;
        Clock::time_point asked = Clock::now();
        bool begun = false;
        Clock::time_point began{};
    };
    using Looks = std::list<Look>;
    Clock::time_point due() const;
    void beginSome();
    void begin(Looks::iterator look);
    void answer(Looks::iterator look, const std::expected<CheckResult, ApiError>& result);

    EventLoop& loop_;
    Calls& calls_;
    std::function<bool()> changing_;
    Clock::time_point restsUntil_{};
    Looks looks_; ///< in the order in which they were asked for
    EventSource next_;
};

} // namespace vfiobind
