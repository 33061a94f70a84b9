// SPDX-License-Identifier: LGPL-2.1-or-later
/// The commands. Each throws sdbus::Error for what the daemon or the bus answers.
#pragma once

#include "client.h"
#include "exit_code.h"
#include "options.h"

namespace vfiobind::ctl {

ExitCode runStatus(Client& client, const Options& options);
ExitCode runShow(Client& client, const Options& options);
ExitCode runCheck(Client& client, const Options& options);
ExitCode runReload(Client& client, const Options& options);
ExitCode runCompleteTargets(Client& client);

/// bind and release: starts the jobs, shows their steps as they come and waits for their ends.
ExitCode runChange(Client& client, const Options& options);

/// Prints what changes until it is interrupted; a daemon that is restarted meanwhile is waited for.
ExitCode runWatch(Client& client, const Options& options);

/// The options of Bind, Release and Check as the bus has them.
CallOptions callOptions(const Options& options);

} // namespace vfiobind::ctl
