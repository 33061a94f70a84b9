// SPDX-License-Identifier: LGPL-2.1-or-later
/// vfio-bindctl export: a group that is bound, in the words of the program that is to have it.
#pragma once

#include "client.h"
#include "exit_code.h"
#include "export/exporters.h"
#include "options.h"

#include <expected>
#include <string>
#include <string_view>

namespace vfiobind::ctl {

struct Refusal {
    ExitCode code = ExitCode::failed;
    std::string sentence; ///< or several, a line each
};

/// The machine that has the groups. Both may be empty: see ExportInput.
struct ExportPlace {
    const Sysfs* sysfs = nullptr;
    std::string host;
};

/// The name of the machine in `[user@]machine`, without the domain. Empty where it is an address.
std::string hostOf(std::string_view userAtHost);

std::expected<Exported, Refusal> exportTarget(const Snapshot& snapshot, const Touched& touched,
                                              const Exporter& exporter, const ExportPlace& place,
                                              bool iommufd = false);

/// One line of arguments, or the file. Nothing in it needs a shell's quotes.
std::string renderExport(const Exported& exported);

/// `{"target": ..., "for": "qemu", "arguments": [...], "file": "", "notes": [...]}`
std::string exportJson(std::string_view target, const Exporter& exporter, const Exported& exported);

ExitCode runExport(Client& client, const Options& options);

} // namespace vfiobind::ctl
