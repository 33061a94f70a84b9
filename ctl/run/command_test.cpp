// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/command.h"

#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace vfiobind::ctl::command_test {
namespace {

int shell(const std::string& script, const std::map<std::string, std::string>& environment = {}) {
    const HandedOn signals;
    return runCommand({"sh", "-c", script}, environment, signals);
}

TEST(Command, ItsStatusIsOurs) {
    EXPECT_EQ(shell("exit 7"), 7);
    EXPECT_EQ(shell("true"), 0);
    EXPECT_EQ(shell("kill -KILL $$"), 128 + SIGKILL);
}

TEST(Command, WhatCannotRunIsTold) {
    const HandedOn signals;
    EXPECT_EQ(runCommand({"there-is-no-such-command"}, {}, signals), 127);
    EXPECT_EQ(runCommand({"/etc"}, {}, signals), 126);
}

TEST(Command, HasTheEnvironment) {
    EXPECT_EQ(shell("test \"$VFIO_BIND_GROUPS\" = '1 2' && test -n \"$PATH\"", {{"VFIO_BIND_GROUPS", "1 2"}}),
              0);
}

/// Only what was open already when this began has no close-on-exec.
TEST(Command, DoesNotInheritTheLease) {
    const int lease = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(lease, 0);
    EXPECT_EQ(shell(fmt::format("test ! -e /proc/self/fd/{}", lease)), 0);
    close(lease);
}

/// `trap` answers with a status of its own; the command tells by a pipe that it is ready for the signal.
TEST(Command, GetsSignals) {
    std::array<int, 2> ready{};
    ASSERT_EQ(pipe(ready.data()), 0);
    const pid_t runner = fork();
    if (runner == 0) {
        const HandedOn signals;
        _exit(runCommand(
            {"sh", "-c", fmt::format("trap 'exit 9' USR1; echo >&{}; while :; do sleep 0.1; done", ready[1])},
            {}, signals));
    }
    close(ready[1]);
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    ASSERT_EQ(kill(runner, SIGUSR1), 0);
    int status = 0;
    ASSERT_EQ(waitpid(runner, &status, 0), runner);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 9);
    close(ready[0]);
}

/// The pipe's other end is closed when the command is gone.
TEST(Command, EndsWithUs) {
    std::array<int, 2> alive{};
    ASSERT_EQ(pipe(alive.data()), 0);
    const pid_t runner = fork();
    if (runner == 0) {
        const HandedOn signals;
        _exit(runCommand({"sh", "-c", fmt::format("echo >&{}; exec sleep 1000", alive[1])}, {}, signals));
    }
    close(alive[1]);
    char byte = 0;
    ASSERT_EQ(read(alive[0], &byte, 1), 1);
    ASSERT_EQ(kill(runner, SIGKILL), 0);
    ASSERT_EQ(waitpid(runner, nullptr, 0), runner);
    EXPECT_EQ(read(alive[0], &byte, 1), 0);
    close(alive[0]);
}

TEST(Command, LeavesTheSignalsAsTheyWere) {
    sigset_t before;
    sigset_t after;
    sigprocmask(SIG_BLOCK, nullptr, &before);
    shell("true");
    sigprocmask(SIG_BLOCK, nullptr, &after);
    EXPECT_EQ(sigismember(&before, SIGTERM), sigismember(&after, SIGTERM));
    // The command has them unblocked: sh would not die of one that is.
    EXPECT_EQ(shell("kill -TERM $$; exit 3"), 128 + SIGTERM);
}

} // namespace
} // namespace vfiobind::ctl::command_test
