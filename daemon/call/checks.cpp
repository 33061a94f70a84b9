// SPDX-License-Identifier: LGPL-2.1-or-later
#include "call/checks.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <set>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

/// How many unanswered Checks one asker may have.
constexpr std::ptrdiff_t mostOfOne = 8;
/// How many looks go at a time: as many as keep a small machine busy.
constexpr std::ptrdiff_t mostAtATime = 2;

bool isSame(const Asker& one, const Asker& other) {
    return one.uid == other.uid && (one.uid != 0 || one.by == other.by);
}

} // namespace

std::optional<ApiError> Checks::refusal(const Asker& asker) const {
    std::ptrdiff_t own = 0;
    for (const auto& look : looks_)
        own += std::ranges::count_if(look.waiters,
                                     [&](const Waiter& waiter) { return isSame(waiter.asker, asker); });
    if (own < mostOfOne)
        return std::nullopt;
    return ApiError{
        ApiError::Kind::limitsExceeded,
        fmt::format("{} Checks of {} are not answered yet; ask again when one of them is", own, asker.by)};
}

/// Does not share a look that has begun: it may have seen what the asker has changed since.
void Checks::ask(const Asker& asker, std::map<unsigned, Wanted> groups, Blockers ungrouped,
                 CheckReply reply) {
    auto same = std::ranges::find_if(looks_, [&](const Look& look) {
        return !look.begun && look.groups == groups && look.ungrouped == ungrouped;
    });
    if (same == looks_.end())
        same = looks_.insert(same,
                             {.groups = std::move(groups), .ungrouped = std::move(ungrouped), .waiters = {}});
    same->waiters.push_back({asker, std::move(reply)});
    groupsCameFree();
}

void Checks::groupsCameFree() {
    if (!looks_.empty())
        next_ = loop_.soon([this] { beginSome(); });
}

/// Leaves out looks at groups that an earlier one is about: they would wait for its end, and keep others from
/// going.
void Checks::beginSome() {
    std::set<unsigned> taken;
    auto going = std::ranges::count(looks_, true, &Look::begun);
    std::vector<Looks::iterator> next;
    for (auto look = looks_.begin(); look != looks_.end(); ++look) {
        const auto groups = look->groups | std::views::keys;
        const bool isFree =
            std::ranges::none_of(groups, [&](unsigned group) { return taken.contains(group); });
        taken.insert(groups.begin(), groups.end());
        if (look->begun || !isFree || going >= mostAtATime || calls_.areOccupied(look->groups))
            continue;
        ++going;
        next.push_back(look);
    }
    for (const auto& look : next)
        begin(look);
}

void Checks::begin(Looks::iterator look) {
    look->begun = true;
    calls_.begin({.groups = look->groups,
                  .ungrouped = look->ungrouped,
                  .checkReply = [this, look](const auto& result) { answer(look, result); },
                  .setAside = [look] { look->begun = false; }});
}

void Checks::answer(Looks::iterator look, const std::expected<CheckResult, ApiError>& result) {
    const auto waiters = std::move(look->waiters);
    looks_.erase(look);
    groupsCameFree();
    for (const auto& [asker, reply] : waiters) {
        auto own = result;
        if (own)
            own->blockers = forReader(std::move(own->blockers), asker.uid);
        try {
            reply(own);
        } catch (const std::exception& error) { // the others are answered all the same
            spdlog::error("the answer to a Check of {} is lost: {}", asker.by, error.what());
        }
    }
}

} // namespace vfiobind
