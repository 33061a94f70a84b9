// SPDX-License-Identifier: LGPL-2.1-or-later
/// Binds and releases that outlive a reboot: drop-ins beside the configuration.
#pragma once

#include "api_error.h"
#include "call/call_options.h"
#include "config/config.h"
#include "topology/device.h"

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// The name of the rule that a drop-in of the daemon's holds: after the group's first device.
std::string persistedName(const Address& first);

/// What one call does to the drop-ins: gathered, applied to the texts in force, and only then written.
class DropIns {
public:
    explicit DropIns(const std::string& config) : directory_(dropInDirectory(config)) {}

    void add(const std::string& name, const std::vector<const Device*>& endpoints,
             const CallOptions& options);
    void remove(const std::string& name) { contents_[pathOf(name)] = std::nullopt; }

    std::vector<ConfigText> applyTo(std::vector<ConfigText> texts) const;
    /// Writes and removes the files. With an error all are as they were; what could not be put back is
    /// logged.
    std::expected<void, ApiError> write() const;

private:
    std::string pathOf(const std::string& name) const { return directory_ + '/' + name + ".toml"; }

    std::string directory_;
    std::map<std::string, std::optional<std::string>> contents_; ///< by path; nothing: removed
};

} // namespace vfiobind
