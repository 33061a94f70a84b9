// SPDX-License-Identifier: LGPL-2.1-or-later
/// Standard output and standard error of the tool.
#pragma once

#include <string_view>

namespace vfiobind::ctl {

/// Writes the text to standard output and flushes it, so that a pipe's reader sees a step when it comes.
/// Throws std::system_error when it cannot be written.
void print(std::string_view text);
/// The same with a newline after it.
void printLine(std::string_view line);
/// `vfio-bindctl: message` to standard error; further lines of the message are indented.
void complain(std::string_view message);

} // namespace vfiobind::ctl
