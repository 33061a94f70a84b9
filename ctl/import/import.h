// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl import: rules for what a machine has been set up with so far. Needs no daemon, and removes
/// nothing.
#pragma once

#include "exit_code.h"
#include "import/found.h"
#include "options.h"

#include <set>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// What came of one source.
struct LookedAt {
    std::string name;
    std::string places;
    std::size_t devices = 0; ///< that it names, with those that have no effect
    std::size_t warnings = 0;
};

struct Imported {
    std::string toml; ///< empty where nothing was found
    std::vector<Removable> removable;
    std::vector<Warning> warnings;
    std::vector<LookedAt> looked;
};

/// Reads the sources of these names, or all. `taken` are names of rules that there are already.
Imported importFrom(const ImportContext& context, const std::vector<std::string>& names,
                    const std::set<std::string>& taken);

/// What can go afterwards, as a message of several lines; empty where nothing can.
std::string renderRemovable(const std::vector<Removable>& removable);

/// Where was looked, what was found there and how much was not understood, as a message of several lines.
std::string renderLooked(const std::vector<LookedAt>& looked);

/// `{"toml": ..., "written": ..., "warnings": [...], "removable": [{"file", "line", "what", "how"}],
/// "looked":
/// [{"source", "places", "devices", "warnings"}]}`
std::string importedJson(const Imported& imported, const std::string& written);

/// Writes the file whole, and not over another one. The directory is made.
SysResult<void> writeNew(const std::string& path, const std::string& content);

ExitCode runImport(const Options& options);

} // namespace vfiobind::ctl
