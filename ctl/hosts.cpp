// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hosts.h"

#include "hosts_table.h"

#include "client.h"
#include "output.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <iterator>
#include <memory>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind::ctl {

namespace {

using Clock = std::chrono::steady_clock;

/// Each is an ssh and what it makes of keys; hundreds at once would be slower.
constexpr std::size_t hostsAtOnce = 32;
/// A machine that is switched off lets ssh wait for two minutes.
constexpr auto hostLimit = std::chrono::seconds(30);

struct Pipe {
    std::optional<Descriptor> read;
    std::optional<Descriptor> write;
};

Pipe makePipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "a pipe cannot be made");
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

/// Writes to standard output what the daemon describes, or why it does not. Returns the process' exit status.
int describeTo(const std::string& host) {
    try {
        Client client(Client::Bus::remote, host);
        print(client.describe());
        return EXIT_SUCCESS;
    } catch (const std::exception& error) {
        const auto* said = dynamic_cast<const sdbus::Error*>(&error);
        print(said != nullptr && !said->getMessage().empty() ? said->getMessage() : error.what());
        return EXIT_FAILURE;
    }
}

/// A process that asks one host.
class HostProcess {
public:
    HostProcess(HostAnswer& answer, std::chrono::milliseconds limit);
    /// Kills it with all that it has started.
    ~HostProcess();
    HostProcess(const HostProcess&) = delete;
    HostProcess& operator=(const HostProcess&) = delete;

    Clock::time_point deadline() const { return deadline_; }
    std::array<pollfd, 2> waitsFor() const {
        return {{{out_.read->get(), POLLIN, 0}, {err_.read ? err_.read->get() : -1, POLLIN, 0}}};
    }
    /// Takes what has come. True when that is all, or the time is over: then the answer is complete.
    bool ends();

private:
    [[noreturn]] void runChild();
    void complete();

    HostAnswer& answer_;
    std::chrono::milliseconds limit_;
    Clock::time_point deadline_;
    Pipe out_, err_;
    pid_t pid_;
    std::string said_, complained_;
    bool ended_ = false;
};

HostProcess::HostProcess(HostAnswer& answer, std::chrono::milliseconds limit) :
    answer_(answer), limit_(limit), deadline_(Clock::now() + limit), out_(makePipe()), err_(makePipe()),
    pid_(fork()) {
    if (pid_ < 0)
        throw std::system_error(errno, std::generic_category(), "a process cannot be started");
    if (pid_ == 0)
        runChild();
    for (auto* pipe : {&out_, &err_}) {
        pipe->write.reset();
        fcntl(pipe->read->get(), F_SETFL, O_NONBLOCK);
    }
}

/// In a session of its own it has no terminal; so Ctrl-C does not reach it, and it ends with its parent.
void HostProcess::runChild() {
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("SSH_ASKPASS_REQUIRE", "never", 1);
    const Descriptor null("/dev/null", O_RDONLY);
    const bool good = null.get() >= 0 && dup2(null.get(), STDIN_FILENO) >= 0 &&
                      dup2(out_.write->get(), STDOUT_FILENO) >= 0 &&
                      dup2(err_.write->get(), STDERR_FILENO) >= 0;
    _exit(good ? describeTo(answer_.host) : EXIT_FAILURE);
}

HostProcess::~HostProcess() {
    if (pid_ < 0)
        return;
    kill(-pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

/// Whether there can be more.
bool readAvailable(int fd, std::string& to) {
    std::array<char, 65536> buffer{};
    while (true) {
        const auto got = ::read(fd, buffer.data(), buffer.size());
        if (got > 0)
            to.append(buffer.data(), static_cast<std::size_t>(got));
        else if (got == 0 || (errno != EINTR && errno != EAGAIN))
            return false;
        else if (errno == EAGAIN)
            return true;
    }
}

/// ssh may leave a process behind that keeps our standard error (ControlPersist of ssh_config(5)): only the
/// end of standard output is waited for.
bool HostProcess::ends() {
    ended_ = !readAvailable(out_.read->get(), said_);
    if (err_.read && !readAvailable(err_.read->get(), complained_))
        err_.read.reset();
    if (!ended_ && Clock::now() < deadline_)
        return false;
    complete();
    return true;
}

/// The last line is the reason; before it may stand a host's greeting.
std::string lastLine(std::string_view text) {
    const auto end = text.find_last_not_of(" \r\n");
    if (end == std::string_view::npos)
        return {};
    text = text.substr(0, end + 1);
    return std::string(text.substr(text.find_last_of('\n') + 1));
}

void HostProcess::complete() {
    if (!ended_) {
        answer_.error = fmt::format("no answer within {} s",
                                    std::chrono::duration_cast<std::chrono::seconds>(limit_).count());
    } else {
        int status = 0;
        const bool known = waitpid(std::exchange(pid_, -1), &status, 0) > 0;
        if (known && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
            answer_.document = std::move(said_);
        else
            answer_.error = said_.empty() ? "the process that asked it has died" : std::move(said_);
    }
    if (const auto line = lastLine(complained_); !answer_.error.empty() && !line.empty())
        answer_.error += (line.starts_with("ssh: ") ? "; " : "; ssh says: ") + line;
}

using HostProcesses = std::vector<std::unique_ptr<HostProcess>>;

/// Until something comes or a deadline is over.
void waitForOne(const HostProcesses& running) {
    std::vector<pollfd> fds;
    auto first = Clock::time_point::max();
    for (const auto& process : running) {
        std::ranges::copy(process->waitsFor(), std::back_inserter(fds));
        first = std::min(first, process->deadline());
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now()).count();
    const auto timeout = static_cast<int>(std::max<std::int64_t>(left, 0));
    if (poll(fds.data(), fds.size(), timeout) < 0 && errno != EINTR)
        throw std::system_error(errno, std::generic_category(), "cannot wait for the hosts");
}

} // namespace

std::vector<HostAnswer> askHosts(const std::vector<std::string>& hosts, std::chrono::milliseconds limit) {
    std::vector<HostAnswer> answers;
    for (const auto& host : hosts)
        answers.push_back({.host = host, .document = {}, .error = {}});
    HostProcesses running;
    for (auto next = answers.begin(); next != answers.end() || !running.empty();) {
        for (; next != answers.end() && running.size() < hostsAtOnce; ++next)
            running.push_back(std::make_unique<HostProcess>(*next, limit));
        waitForOne(running);
        std::erase_if(running, [](const auto& process) { return process->ends(); });
    }
    return answers;
}

ExitCode runStatusOfHosts(const Options& options) {
    const auto answers = askHosts(options.hosts, hostLimit);
    if (options.json)
        printLine(hostsJson(answers));
    else
        print(renderHosts(answers, Style::forStdout(), options.all));
    return std::ranges::all_of(answers, isDescription) ? ExitCode::done : ExitCode::noDaemon;
}

} // namespace vfiobind::ctl
