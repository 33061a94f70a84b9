// SPDX-License-Identifier: LGPL-2.1-or-later
/// The units that are stopped for groups (`pause-units`). A unit starts again when no group needs it stopped;
/// the record outlives the daemon.
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

    /// Reads what an earlier run left, and starts the units that no group needs stopped. If the file cannot
    /// be read, returns the reason and counts the record as empty.
    std::expected<void, std::string> load();

    using Done = Units::Done;
    /// Stops those of the units that run, one after another, and records each before stopping it. On an error
    /// the rest keeps running; the units that are stopped already wait for resume().
    void pause(unsigned group, std::vector<std::string> units, Done done);
    /// The group no longer needs its units stopped: starts those that no other group needs stopped, in
    /// reverse order. Logs which units do not start.
    void resume(unsigned group);

    /// Returns the groups that units are stopped for.
    std::set<unsigned> groups() const;
    /// Returns the units that are stopped for the group, such as `gdm.service`, in the order in which they
    /// were stopped.
    std::vector<std::string> of(unsigned group) const;

private:
    struct Paused {
        std::string unit;
        std::set<unsigned> groups;
    };
    /// Calls next() when it has ended.
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
    std::deque<Task> tasks_;     ///< the first one is running
};

} // namespace vfiobind
