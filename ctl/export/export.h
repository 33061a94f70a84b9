// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl export: a group that is bound, in the words of the program that is to have it.
#pragma once

#include "client.h"
#include "exit_code.h"
#include "export/exporters.h"
#include "options.h"

#include <expected>
#include <string>

namespace vfiobind::ctl {

struct Refusal {
    ExitCode code = ExitCode::failed;
    std::string sentence; ///< or several, a line each
};

/// `sysfs` may be null, see ExportInput.
std::expected<Exported, Refusal> exportTarget(const Snapshot& snapshot, const Touched& touched,
                                              const Exporter& exporter, const Sysfs* sysfs);

/// One line of arguments, or the file. Nothing in it needs a shell's quotes.
std::string renderExport(const Exported& exported);

/// `{"target": ..., "for": "qemu", "arguments": [...], "file": "", "notes": [...]}`
std::string exportJson(std::string_view target, const Exporter& exporter, const Exported& exported);

ExitCode runExport(Client& client, const Options& options);

} // namespace vfiobind::ctl
