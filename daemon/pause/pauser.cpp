// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pause/pauser.h"

#include <algorithm>
#include <utility>

namespace vfiobind {

struct Pauser::Attempt {
    ByGroup units;
    std::set<std::string> unseen; ///< units that are not looked at yet
    std::set<unsigned> holders;   ///< that no unit has so far
    Done done;
};

void Pauser::pause(ByGroup units, std::set<unsigned> holders, Done done) {
    auto attempt = std::make_shared<Attempt>(Attempt{
        .units = std::move(units), .unseen = {}, .holders = std::move(holders), .done = std::move(done)});
    for (const auto& [group, names] : attempt->units)
        attempt->unseen.insert(names.begin(), names.end());
    lookAtNext(attempt);
}

void Pauser::lookAtNext(const std::shared_ptr<Attempt>& attempt) {
    if (attempt->holders.empty())
        return stopNext(attempt);
    if (attempt->unseen.empty())
        return attempt->done(false);
    const auto name = attempt->unseen.extract(attempt->unseen.begin()).value();
    units_.look(name, [this, attempt](const std::expected<UnitStatus, std::string>& unit) {
        if (!unit)
            return attempt->done(std::unexpected(unit.error()));
        for (const auto process : unit->processes)
            attempt->holders.erase(process);
        lookAtNext(attempt);
    });
}

void Pauser::stopNext(const std::shared_ptr<Attempt>& attempt) {
    if (attempt->units.empty())
        return attempt->done(true);
    auto next = attempt->units.extract(attempt->units.begin());
    resuming_.erase(next.key());
    paused_.pause(next.key(), std::move(next.mapped()),
                  [this, attempt](const std::expected<void, std::string>& stopped) {
                      if (!stopped)
                          return attempt->done(std::unexpected(stopped.error()));
                      stopNext(attempt);
                  });
}

std::set<unsigned> Pauser::groups() const {
    auto groups = paused_.groups();
    for (const auto group : resuming_)
        groups.erase(group);
    return groups;
}

void Pauser::resume(unsigned group) {
    std::erase_if(resuming_, [all = paused_.groups()](unsigned done) { return !all.contains(done); });
    resuming_.insert(group);
    paused_.resume(group);
}

} // namespace vfiobind
