// SPDX-License-Identifier: LGPL-2.1-or-later
#include "process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace vfiobind::bustest {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    for (auto& text : texts)
        list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

/// The present environment with the given entries in place of those of the same name.
std::vector<std::string> merged(const std::map<std::string, std::string>& entries) {
    std::vector<std::string> list;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        if (!entries.contains(text.substr(0, text.find('='))))
            list.push_back(text);
    }
    for (const auto& [name, value] : entries)
        list.push_back(name + '=' + value);
    return list;
}

} // namespace

int Deadline::left() const {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<long long>(left.count(), 0));
}

Child::Child(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
             const std::string& errorFile) {
    // A test that writes to a child that has died is to see an error, not to end.
    signal(SIGPIPE, SIG_IGN);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0)
        fail("pipe");
    auto words = command;
    auto variables = merged(environment);
    const auto argv = pointers(words);
    const auto envp = pointers(variables);
    pid_ = fork();
    if (pid_ < 0)
        fail("fork");
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL);
        const int error = open(errorFile.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(error, STDERR_FILENO);
        execvpe(argv[0], argv.data(), envp.data());
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    in_ = in[1];
    out_ = out[0];
}

Child::~Child() {
    close(in_);
    close(out_);
    if (pid_ == 0)
        return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
}

void Child::writeLine(const std::string& line) const {
    const auto text = line + '\n';
    if (write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        fail("writing to a child");
}

bool Child::readMore(const Deadline& deadline) {
    pollfd wanted{out_, POLLIN, 0};
    if (poll(&wanted, 1, deadline.left()) == 0)
        throw std::runtime_error("a child does not answer");
    std::array<char, 65536> buffer{};
    const auto n = read(out_, buffer.data(), buffer.size());
    if (n > 0)
        pending_.append(buffer.data(), static_cast<std::size_t>(n));
    return n > 0;
}

std::string Child::readLine() {
    const Deadline deadline;
    for (;;) {
        if (const auto end = pending_.find('\n'); end != std::string::npos) {
            auto line = pending_.substr(0, end);
            pending_.erase(0, end + 1);
            return line;
        }
        if (!readMore(deadline))
            throw std::runtime_error("a child has ended its output; it had said: " + pending_);
    }
}

std::string Child::readAll(const Deadline& deadline) {
    while (readMore(deadline)) {
    }
    return std::exchange(pending_, {});
}

int Child::wait(const Deadline& deadline) {
    const int handle = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    if (handle < 0)
        fail("pidfd_open");
    pollfd ended{handle, POLLIN, 0};
    const int count = poll(&ended, 1, deadline.left());
    close(handle);
    if (count != 1)
        throw std::runtime_error("a child does not end");
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    constexpr int signalled = 128;
    return WIFEXITED(status) ? WEXITSTATUS(status) : signalled + WTERMSIG(status);
}

int Child::terminate() {
    kill(pid_, SIGTERM);
    return wait();
}

Finished run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
             const std::string& scratchFile, std::chrono::seconds time) {
    const Deadline deadline(time);
    unlink(scratchFile.c_str());
    Child child(command, environment, scratchFile);
    Finished finished;
    finished.out = child.readAll(deadline);
    finished.code = child.wait(deadline);
    finished.err = readFile(scratchFile);
    return finished;
}

std::string readFile(const std::string& path) {
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void writeFile(const std::string& path, const std::string& content) {
    std::ofstream file(path, std::ios::trunc);
    file << content;
    if (!file.flush())
        throw std::runtime_error("cannot write " + path);
}

} // namespace vfiobind::bustest
