// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

namespace vfiobind {

/// Reads a time span of systemd.time(7) in whole numbers with the units `ms`, `s` (`sec`), `min` (`m`) and
/// `h`; parts add up: `500ms`, `30s`, `2min`, `1min 30s`. A number without a unit is refused, and so is what
/// is not between 1 ms and 24 h. The error is a sentence that says what would be right.
std::expected<std::chrono::milliseconds, std::string> parseTimespan(std::string_view text);

} // namespace vfiobind
