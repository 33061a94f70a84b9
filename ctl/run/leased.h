// SPDX-License-Identifier: LGPL-2.1-or-later
/// run and hold: groups that are bound for as long as a lease lives.
#pragma once

#include "client.h"
#include "exit_code.h"
#include "options.h"

namespace vfiobind::ctl {

/// `run` ends with its command's status; else see ExitCode. Throws as the commands of commands.h do.
ExitCode runLeased(Client& client, const Options& options);

} // namespace vfiobind::ctl
