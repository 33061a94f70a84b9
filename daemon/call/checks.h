// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "call/calls.h"

#include <list>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace vfiobind {

/// The Checks that are not answered yet. Anybody may ask for one, and each is a look at the host by a worker:
/// so few go at a time, one asker has few, and who asks for the same as another that waits shares its look.
class Checks {
public:
    Checks(EventLoop& loop, Calls& calls) : loop_(loop), calls_(calls) {}

    /// Returns the refusal for an asker that has as many unanswered Checks as one may have. Counts the
    /// users'; those of root, who is many programs, by connection.
    std::optional<ApiError> refusal(const Asker& asker) const;
    /// Looks at the groups, or waits for its turn: changes go first, those that are asked for later too.
    /// `ungrouped` becomes part of the answer.
    void ask(const Asker& asker, std::map<unsigned, Wanted> groups, Blockers ungrouped, CheckReply reply);
    /// Call it when a group can be looked at again.
    void groupsCameFree();

private:
    struct Waiter {
        Asker asker;
        CheckReply reply;
    };
    struct Look {
        std::map<unsigned, Wanted> groups;
        Blockers ungrouped;
        std::vector<Waiter> waiters;
        bool begun = false;
    };
    using Looks = std::list<Look>;
    void beginSome();
    void begin(Looks::iterator look);
    void answer(Looks::iterator look, const std::expected<CheckResult, ApiError>& result);

    EventLoop& loop_;
    Calls& calls_;
    Looks looks_; ///< in the order in which they were asked for
    EventSource next_;
};

} // namespace vfiobind
