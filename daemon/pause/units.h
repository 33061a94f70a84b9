// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is done to systemd's units to pause them for a group.
#pragma once

#include <expected>
#include <functional>
#include <set>
#include <string>

namespace vfiobind {

struct UnitStatus {
    std::string id;               ///< the unit's own name, also if an alias was asked for
    bool runs = false;            ///< active, or about to be
    std::set<unsigned> processes; ///< pids in the unit's control group and below
};

/// Every callback is called once. An error is a sentence.
class Units {
public:
    virtual ~Units() = default;
    using Looked = std::function<void(std::expected<UnitStatus, std::string>)>;
    using Done = std::function<void(std::expected<void, std::string>)>;
    /// For a unit that does not exist, `runs` is false.
    virtual void look(const std::string& name, Looked looked) = 0;
    virtual void stop(const std::string& id, Done done) = 0;
    /// Starts the unit, also after it has failed, or was started too often.
    virtual void start(const std::string& id, Done done) = 0;
};

} // namespace vfiobind
