// SPDX-License-Identifier: LGPL-2.1-or-later
#include "status_line.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace vfiobind {

void StatusLine::show(const Core& core) {
    std::string text;
    for (const auto& [state, count] : core.stateCounts())
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
    if (text.empty())
        text = "no group bound";
    if (!core.configError().empty())
        text += "; the configuration is invalid";
    for (const auto& warning : core.warnings())
        text += "; " + warning;
    if (text == last_)
        return;
    sd_notify(0, ("STATUS=" + text).c_str());
    last_ = text;
}

} // namespace vfiobind
