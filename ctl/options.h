// SPDX-License-Identifier: LGPL-2.1-or-later
/// The command line of vfio-bindctl.
#pragma once

#include "exit_code.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace vfiobind::ctl {

enum class Command {
    status,
    show,
    bind,
    release,
    check,
    run,
    hold,
    reload,
    watch,
    exportGroups,
    doctor,
    groups,
    metrics,
    importOld,    ///< `import`, which C++ has another use for
    libvirtRules, ///< for the hook of libvirt
    verify,
    completeTargets,
    completeCodes
};

struct Options {
    Command command = Command::status;
    std::string target;               ///< of `run` and `hold` see targets
    std::vector<std::string> targets; ///< of `run` and `hold`, at least one
    std::vector<std::string> words;   ///< run: the command and its arguments
    std::string what;                 ///< run, hold: what the lease is for, shown to root and its own user
    std::vector<std::string> allow;
    std::optional<std::string> driver;
    std::optional<std::string> method;
    std::vector<std::string> from;     ///< import: the sources; empty for all
    std::string root;                  ///< import, verify: what to take for /
    std::vector<std::string> machines; ///< verify: files that describe machines
    std::vector<std::string> files;    ///< verify: what to read in place of the configuration
    bool write = false;
    std::vector<std::string> hosts; ///< `[user@]machine`, several for `status` only
    std::string exportFor;          ///< the name of an exporter
    bool iommufd = false;           ///< export: by cdevs, not by the groups' nodes
    bool persist = false;
    bool noWait = false;
    bool all = false;
    bool json = false;
    bool session = false;
};

/// Whether the command holds a lease: its exit status for what goes wrong is then ExitCode::notAcquired.
constexpr bool isLeasing(Command command) {
    return command == Command::run || command == Command::hold;
}

/// The command line asks for nothing to be done: the text to print, and how to end.
struct ParseEnd {
    std::string out;
    std::string err;
    ExitCode code = ExitCode::done;
};

/// Reads the arguments after the program's name.
std::variant<Options, ParseEnd> parseCommandLine(const std::vector<std::string>& arguments);

} // namespace vfiobind::ctl
