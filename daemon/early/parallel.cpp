// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early/parallel.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vfiobind::early {
namespace {

using Clock = std::chrono::steady_clock;

int millisecondsUntil(Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

/// Starts a child that writes its text to a pipe and ends. Returns the pipe's read end, or -1 if no child
/// could be started.
int startChild(const std::function<std::string()>& task) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        return -1;
    const int pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_IGN); // if the parent has given up, the work still goes on
        const auto text = task();
        const bool told = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
        _exit(told ? 0 : 1);
    }
    close(ends[1]);
    if (pid > 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

struct Listening {
    int fd = -1;
    std::string text;
    bool ended = false;
};

void hear(Listening& child) {
    std::array<char, 4096> buffer{};
    const auto n = read(child.fd, buffer.data(), buffer.size());
    if (n > 0)
        child.text.append(buffer.data(), static_cast<std::size_t>(n));
    else if (n == 0 || errno != EINTR)
        child.ended = true;
}

} // namespace

std::vector<std::optional<std::string>> runInParallel(const std::vector<std::function<std::string()>>& tasks,
                                                      std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    std::vector<Listening> children;
    for (const auto& task : tasks)
        children.push_back({.fd = startChild(task)});
    for (;;) {
        std::vector<pollfd> polled;
        for (const auto& child : children)
            polled.push_back({.fd = child.ended ? -1 : child.fd, .events = POLLIN, .revents = 0});
        if (std::ranges::all_of(polled, [](const auto& p) { return p.fd < 0; }))
            break;
        const int ready = poll(polled.data(), polled.size(), millisecondsUntil(deadline));
        if (ready == 0)
            break;
        for (std::size_t i = 0; i < polled.size(); ++i)
            if (polled[i].revents != 0)
                hear(children[i]);
    }
    std::vector<std::optional<std::string>> results;
    for (auto& child : children) {
        results.push_back(child.ended ? std::optional(std::move(child.text)) : std::nullopt);
        if (child.fd >= 0)
            close(child.fd);
    }
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return results;
}

bool endsInTime(int pid, std::chrono::milliseconds limit) {
    const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0)
        return true; // a kernel before 5.3 has no pidfd: the caller's waitpid waits, without a limit
    pollfd ended{.fd = pidfd, .events = POLLIN, .revents = 0};
    const bool late = poll(&ended, 1, millisecondsUntil(Clock::now() + limit)) == 0;
    close(pidfd);
    return !late;
}

std::string runProgram(const std::vector<std::string>& command, std::chrono::milliseconds limit) {
    std::vector<char*> words;
    for (const auto& word : command)
        words.push_back(const_cast<char*>(word.c_str())); // posix_spawn(3) does not change them
    words.push_back(nullptr);
    int pid = 0;
    if (const int code = posix_spawn(&pid, words[0], nullptr, nullptr, words.data(), environ); code != 0)
        return fmt::format("{} cannot be run: {}", command[0], strerror(code));
    if (!endsInTime(pid, limit))
        return fmt::format("{} has not ended in time", fmt::join(command, " "));
    int status = 0;
    if (waitpid(pid, &status, 0) < 0)
        return fmt::format("{} was lost: {}", command[0], strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return {};
    return fmt::format("{} failed ({})", fmt::join(command, " "),
                       WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                                         : fmt::format("signal {}", WTERMSIG(status)));
}

} // namespace vfiobind::early
