// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show/status_line.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// Between two lines; a person who looks at `systemctl status` sees no difference.
constexpr auto pause = 100ms;

} // namespace

void StatusLine::show(const Core& core) {
    std::string text;
    for (const auto& [state, count] : core.stateCounts())
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
    if (text.empty())
        text = "no group bound";
    if (!core.intent().configError().empty())
        text += "; the configuration is invalid";
    for (const auto& warning : core.warnings())
        text += "; " + warning;
    now_ = std::move(text);
    if (told_.empty())
        tell();
    else if (now_ != told_ && !next_)
        next_ = loop_.timer(pause, [this] { tell(); });
}

void StatusLine::tell() {
    next_.reset();
    if (now_ == told_)
        return;
    sd_notify(0, ("STATUS=" + now_).c_str());
    told_ = now_;
}

} // namespace vfiobind
