// SPDX-License-Identifier: LGPL-2.1-or-later
/// How it stands on several machines: each is asked over ssh(1), side by side.
#pragma once

#include "exit_code.h"
#include "options.h"

#include <chrono>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// What came of asking one machine.
struct HostAnswer {
    std::string host;     ///< `[user@]machine`
    std::string document; ///< of the daemon's Describe; empty where there was no answer
    std::string error;    ///< why there was none, with what ssh said
};

/// Asks the daemons of these machines, each by a process of its own, which is killed after the limit. They
/// have no terminal, so that ssh asks nobody for a password. The answers are in the order of the hosts.
/// Throws std::system_error when no process or pipe can be had.
std::vector<HostAnswer> askHosts(const std::vector<std::string>& hosts, std::chrono::milliseconds limit);

/// `status` of several hosts. ExitCode::noDaemon if one of them did not answer, or with what is no
/// description.
ExitCode runStatusOfHosts(const Options& options);

} // namespace vfiobind::ctl
