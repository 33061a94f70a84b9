// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace vfiobind {

/// Logs to the journal when systemd has connected our standard error to it (JOURNAL_STREAM, systemd.exec(5)),
/// else to standard error.
void setUpLog();

} // namespace vfiobind
