// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/command.h"

#include "exit_code.h"
#include "output.h"

#include <cerrno>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind::ctl {
namespace {

/// In the child. Does not come back.
[[noreturn]] void become(const std::vector<std::string>& words,
                         const std::map<std::string, std::string>& environment, const sigset_t& mask,
                         pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) // it died before the line above
        _exit(toInt(ExitCode::notAcquired));
    for (const auto& [name, value] : environment)
        setenv(name.c_str(), value.c_str(), 1);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    std::vector<char*> arguments;
    for (const auto& word : words)
        arguments.push_back(const_cast<char*>(word.c_str())); // execvp(3) changes none
    arguments.push_back(nullptr);
    execvp(arguments.front(), arguments.data());
    const int code = errno;
    complain(fmt::format("'{}' cannot be run: {}", words.front(), std::generic_category().message(code)));
    _exit(toInt(code == ENOENT ? ExitCode::notFound : ExitCode::cannotExecute));
}

/// The status of the child if it has ended.
bool hasEnded(pid_t child, int& status) {
    int raw = 0;
    if (waitpid(child, &raw, WNOHANG) != child)
        return false;
    constexpr int bySignal = 128;
    status = WIFSIGNALED(raw) ? bySignal + WTERMSIG(raw) : WEXITSTATUS(raw);
    return true;
}

} // namespace

HandedOn::HandedOn() {
    sigemptyset(&signals_);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2})
        sigaddset(&signals_, signal);
    sigprocmask(SIG_BLOCK, &signals_, &before_);
}

HandedOn::~HandedOn() {
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

int runCommand(const std::vector<std::string>& words, const std::map<std::string, std::string>& environment,
               const HandedOn& signals) {
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child < 0)
        throw std::system_error(errno, std::generic_category(), "fork for the command");
    if (child == 0)
        become(words, environment, signals.before(), self);
    int status = 0;
    while (!hasEnded(child, status)) {
        siginfo_t info{};
        const int signal = sigwaitinfo(&signals.signals(), &info);
        // What a terminal sends, the kernel sends to the command, too: it is in the same process group.
        if (signal > 0 && signal != SIGCHLD && info.si_code != SI_KERNEL)
            kill(child, signal);
    }
    return status;
}

} // namespace vfiobind::ctl
