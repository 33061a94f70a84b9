// SPDX-License-Identifier: LGPL-2.1-or-later
/// Children that run at once, within one time limit.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind::early {

/// Runs each task in a child process. Returns each task's text, or nothing for a child that did not end
/// within `limit`. Such a child is left to end by itself, since a process that hangs in the kernel cannot be
/// killed; the daemon finds its journal.
std::vector<std::optional<std::string>> runInParallel(const std::vector<std::function<std::string()>>& tasks,
                                                      std::chrono::milliseconds limit);

/// Waits for a child without reaping it. Returns false if the child has not ended within `limit`.
bool endsInTime(int pid, std::chrono::milliseconds limit);

/// Runs a program and waits for it. Returns an empty text, or a sentence on why the program failed.
std::string runProgram(const std::vector<std::string>& command, std::chrono::milliseconds limit);

} // namespace vfiobind::early
