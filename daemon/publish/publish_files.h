// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "publish/publishers.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <vector>

namespace vfiobind {

/// Keeps the published files at what the publishers say, below a root directory (empty for the real ones).
class PublishFiles {
public:
    explicit PublishFiles(std::string root = {}) : root_(std::move(root)) {}

    /// Writes the files whose text is another than at the last call, each whole to a name beside it that
    /// begins with a dot, which no reader takes, and renamed; removes those that are not wanted or have no
    /// text. Returns what could not be done, a sentence each; it is tried again at the next call.
    std::vector<std::string> bring(const PublishOptions& options, const PublishState& state);

private:
    SysResult<void> bringOne(const std::string& path, const std::string& text) const;
    std::string root_;
    std::map<std::string_view, std::string> there_; ///< texts by path, of those that are known to be right
};

} // namespace vfiobind
