// SPDX-License-Identifier: LGPL-2.1-or-later
#include "call/checks.h"

#include <algorithm>
#include <fmt/format.h>
#include <ranges>
#include <set>
#include <spdlog/spdlog.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// How many unanswered Checks one asker may have.
constexpr std::ptrdiff_t mostOfOne = 8;
/// How many looks go at a time: as many as keep a small machine busy.
constexpr std::ptrdiff_t mostAtATime = 2;
/// The rest after a look is as long as the look was, at most this: who asks without end gets half of the
/// time, and others the rest.
constexpr auto longestRest = 250ms;
/// How long a look waits for changes of other groups. A job that takes its time is not to hold it up for
/// ever: whoever asks waits 25 s for an answer (sd_bus_set_method_call_timeout(3)).
constexpr auto longestWait = 2s;

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

/// When the next look may begin; call it when there is one that has not.
Checks::Clock::time_point Checks::due() const {
    if (!changing_())
        return restsUntil_;
    const auto first = std::ranges::find(looks_, false, &Look::begun);
    return std::max(restsUntil_, first->asked + longestWait);
}

/// Leaves out looks at groups that an earlier one is about: they would wait for its end, and keep others from
/// going.
void Checks::beginSome() {
    if (std::ranges::find(looks_, false, &Look::begun) == looks_.end())
        return;
    const auto now = Clock::now();
    if (const auto next = due(); next > now) {
        next_ =
            loop_.timer(std::chrono::ceil<std::chrono::microseconds>(next - now), [this] { beginSome(); });
        sd_event_source_set_time_accuracy(next_.raw(), 1); // else it may be late by 250 ms
        return;
    }
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
    look->began = Clock::now();
    calls_.begin({.groups = look->groups,
                  .ungrouped = look->ungrouped,
                  .checkReply = [this, look](const auto& result) { answer(look, result); },
                  .setAside = [look] { look->begun = false; }});
}

void Checks::answer(Looks::iterator look, const std::expected<CheckResult, ApiError>& result) {
    const auto now = Clock::now();
    restsUntil_ = now + std::min<Clock::duration>(now - look->began, longestRest);
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
