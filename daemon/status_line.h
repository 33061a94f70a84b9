// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"

#include <string>

namespace vfiobind {

/// The one line that `systemctl status` shows.
class StatusLine {
public:
    /// Tells systemd when it differs from what was told last. Call it when the core's changes were taken.
    void show(const Core& core);

private:
    std::string last_;
};

} // namespace vfiobind
