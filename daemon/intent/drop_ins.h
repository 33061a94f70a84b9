// SPDX-License-Identifier: LGPL-2.1-or-later
/// Binds and releases that outlive a reboot, as drop-ins beside the configuration.
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

/// Returns the name of the rule in a drop-in that the daemon writes; made from the address of the group's
/// first device.
std::string persistedName(const Address& first);

/// Collects what one call does to the drop-ins. Use it in this order: add() and remove(), applyTo() to
/// validate, then write().
class DropIns {
public:
    explicit DropIns(const std::string& config) : directory_(dropInDirectory(config)) {}

    void add(const std::string& name, const std::vector<const Device*>& endpoints,
             const CallOptions& options);
    void remove(const std::string& name) { contents_[pathOf(name)] = std::nullopt; }

    std::vector<ConfigText> applyTo(std::vector<ConfigText> texts) const;
    /// Writes and removes the files. On an error, restores all files; logs what cannot be restored.
    std::expected<void, ApiError> write() const;

private:
    std::string pathOf(const std::string& name) const { return directory_ + '/' + name + ".toml"; }

    std::string directory_;
    std::map<std::string, std::optional<std::string>> contents_; ///< by path; nothing: removed
};

} // namespace vfiobind
