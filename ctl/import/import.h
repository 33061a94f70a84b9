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

struct Imported {
    std::string toml; ///< empty where nothing was found
    std::vector<Removable> removable;
    std::vector<Warning> warnings;
};

/// Reads the sources of these names, or all. `taken` are names of rules that there are already.
Imported importFrom(const ImportContext& context, const std::vector<std::string>& names,
                    const std::set<std::string>& taken);

/// What can go afterwards, as a message of several lines; empty where nothing can.
std::string renderRemovable(const std::vector<Removable>& removable);

/// `{"toml": ..., "written": ..., "warnings": [...], "removable": [{"file", "line", "what", "how"}]}`
std::string importedJson(const Imported& imported, const std::string& written);

/// Writes the file whole, and not over another one. The directory is made.
SysResult<void> writeNew(const std::string& path, const std::string& content);

ExitCode runImport(const Options& options);

} // namespace vfiobind::ctl
