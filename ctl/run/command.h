// SPDX-License-Identifier: LGPL-2.1-or-later
/// A command that runs as a child of ours.
#pragma once

#include <csignal>
#include <map>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// Blocks, for as long as this lives, the signals that end a program or that it takes for its own purposes:
/// they are handed on to the command, or waited for.
class HandedOn {
public:
    HandedOn();
    HandedOn(const HandedOn&) = delete;
    HandedOn& operator=(const HandedOn&) = delete;
    ~HandedOn();

    const sigset_t& signals() const { return signals_; }
    /// What was blocked before.
    const sigset_t& before() const { return before_; }

private:
    sigset_t signals_{};
    sigset_t before_{};
};

/// Runs the command with the environment's variables added to ours, hands signals on to it, and waits for
/// its end. It gets SIGTERM when this program dies (PR_SET_PDEATHSIG(2const)). What is open here and has
/// close-on-exec it does not inherit. The exit status is the command's, 128 and the signal's number where one
/// ended it, 126 where it cannot be executed and 127 where there is none of that name, as env(1) has it.
/// Throws std::system_error when no process can be started.
int runCommand(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment,
               const HandedOn& signals);

} // namespace vfiobind::ctl
