// SPDX-License-Identifier: LGPL-2.1-or-later
/// Children that run at once, within one time limit.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind::early {

/// Runs each task in a child process. Gives the text that each told, nothing for one that did not end in
/// time: it is left to end by itself, since a process that hangs in the kernel cannot be killed anyway, and
/// its journal tells the daemon.
std::vector<std::optional<std::string>> runInParallel(const std::vector<std::function<std::string()>>& tasks,
                                                      std::chrono::milliseconds limit);

/// Waits for a child, which is not reaped. False where it has not ended in time.
bool endsInTime(int pid, std::chrono::milliseconds limit);

/// Runs a program and waits for it. An empty text, or why it failed: a sentence.
std::string runProgram(const std::vector<std::string>& command, std::chrono::milliseconds limit);

} // namespace vfiobind::early
