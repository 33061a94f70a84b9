// SPDX-License-Identifier: LGPL-2.1-or-later
/// systemd's units, as far as they are paused for a group.
#pragma once

#include <expected>
#include <functional>
#include <set>
#include <string>

namespace vfiobind {

struct UnitStatus {
    std::string id;               ///< the name that the unit goes by: an alias has another
    bool runs = false;            ///< active, or about to be
    std::set<unsigned> processes; ///< those in its control group and below
};

/// Every callback comes once. An error is a sentence.
class Units {
public:
    virtual ~Units() = default;
    using Looked = std::function<void(std::expected<UnitStatus, std::string>)>;
    using Done = std::function<void(std::expected<void, std::string>)>;
    /// A unit that there is not runs not.
    virtual void look(const std::string& name, Looked looked) = 0;
    virtual void stop(const std::string& id, Done done) = 0;
    /// Starts the unit, also after it has failed, or was started too often.
    virtual void start(const std::string& id, Done done) = 0;
};

} // namespace vfiobind
