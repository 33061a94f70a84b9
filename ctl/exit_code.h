// SPDX-License-Identifier: LGPL-2.1-or-later
/// How vfio-bindctl ends.
#pragma once

#include <string_view>

namespace vfiobind::ctl {

/// The exit status; see vfio-bindctl(1).
enum class ExitCode : int {
    done = 0,
    failed = 1,  ///< the daemon or the kernel could not do it, the target is not there, or the caller may not
    usage = 2,   ///< the command line is wrong, or the daemon took an argument for invalid
    blocked = 3, ///< refused as it stands: a blocker, a holder, a missing driver, a group that is not viable
    noDaemon = 4, ///< there is no bus or no daemon on it, or it went away
    // Of `run` and `hold`, as env(1) has them; `run` ends with its command's status otherwise.
    notAcquired = 125,   ///< the devices could not be had, or the command line is wrong
    cannotExecute = 126, ///< the command is there and cannot be run
    notFound = 127,      ///< there is no such command
};

constexpr int toInt(ExitCode code) {
    return static_cast<int>(code);
}

/// The exit status that a D-Bus error name stands for.
ExitCode exitCodeFor(std::string_view dbusErrorName);

} // namespace vfiobind::ctl
