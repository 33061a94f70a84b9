// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "publish/publishers.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <vector>

namespace vfiobind {

/// Keeps the published files as the publishers say, below a root directory (empty for the real files).
class PublishFiles {
public:
    explicit PublishFiles(std::string root = {}) : root_(std::move(root)) {}

    /// Writes the files whose text differs from the last call's, and removes files that are not wanted or
    /// have no text. A file is written under a name that begins with a dot, which no reader takes, and then
    /// renamed. Returns a sentence for each file that could not be written or removed; the next call tries
    /// again.
    std::vector<std::string> bring(const PublishOptions& options, const PublishState& state);

private:
    SysResult<void> bringOne(const std::string& path, const std::string& text) const;
    std::string root_;
    std::map<std::string_view, std::string> there_; ///< the right texts, by path
};

} // namespace vfiobind
