// SPDX-License-Identifier: LGPL-2.1-or-later
/// The units that stand still for groups (`pause-units`), counted over groups, and kept over restarts of the
/// daemon.
#pragma once

#include "pause/units.h"

#include "sysfs/sysfs.h"

#include <deque>
#include <string>
#include <vector>

namespace vfiobind {

class PausedUnits {
public:
    /// `file` is such as `/run/vfio-bind/paused.json`; empty keeps the record in memory.
    PausedUnits(Units& units, std::string file) : units_(units), file_(std::move(file)) {}
    PausedUnits(const PausedUnits&) = delete;
    PausedUnits& operator=(const PausedUnits&) = delete;

    /// Takes up what an earlier run left, and starts what stands still for no group. Says of a file that
    /// cannot be read why; it counts as empty.
    std::expected<void, std::string> load();

    using Done = Units::Done;
    /// Stops those of the units that run, one after another; each is written down before it is stopped. With
    /// an error the rest is not stopped, and what was stopped waits for resume().
    void pause(unsigned group, std::vector<std::string> units, Done done);
    /// The group needs them no more: starts those that stand still for no other group, in reverse. What does
    /// not start is logged.
    void resume(unsigned group);

    /// The groups that units stand still for.
    std::set<unsigned> groups() const;
    /// `gdm.service`, in the order in which they were stopped.
    std::vector<std::string> of(unsigned group) const;

private:
    struct Paused {
        std::string unit;
        std::set<unsigned> groups;
    };
    /// Does its part, and calls the next one's turn when that has ended.
    using Task = std::function<void()>;
    void inTurn(Task task);
    void next();
    void pauseNext(unsigned group, std::vector<std::string> units, const Done& done);
    void take(unsigned group, const UnitStatus& unit, const Done& done, const Task& others);
    void startLast();
    void saveOrWarn();
    SysResult<void> save() const;

    Units& units_;
    std::string file_;
    std::vector<Paused> paused_; ///< in the order in which they were stopped
    std::deque<Task> tasks_;     ///< the first is at work
};

} // namespace vfiobind
