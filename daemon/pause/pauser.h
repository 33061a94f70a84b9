// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pause/paused_units.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// Stops the units of rules for a bind, where that helps, and starts them again when their groups need them.
class Pauser {
public:
    /// `file` is such as `/run/vfio-bind/paused.json`; empty keeps the record in memory.
    Pauser(Units& units, std::string file) : units_(units), paused_(units, std::move(file)) {}

    /// As PausedUnits::load().
    std::expected<void, std::string> load() { return paused_.load(); }

    using ByGroup = std::map<unsigned, std::vector<std::string>>;
    /// Whether the units were stopped; the error is a sentence, and what was stopped waits for resume().
    using Done = std::function<void(std::expected<bool, std::string>)>;
    /// Stops the units if each of the holders (pids) is a process of one of them: else stopping them would
    /// help nobody.
    void pause(ByGroup units, std::set<unsigned> holders, Done done);
    /// The groups that units stand still for, and that are not being resumed.
    std::set<unsigned> groups() const;
    /// Starts the group's units, those and only those that ran before.
    void resume(unsigned group);

private:
    struct Attempt;
    void lookAtNext(const std::shared_ptr<Attempt>& attempt);
    void stopNext(const std::shared_ptr<Attempt>& attempt);

    Units& units_;
    PausedUnits paused_;
    std::set<unsigned> resuming_;
};

} // namespace vfiobind
