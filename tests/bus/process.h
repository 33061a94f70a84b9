// SPDX-License-Identifier: LGPL-2.1-or-later
/// Child processes whose every wait has a deadline.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace vfiobind::bustest {

/// Ample for a loaded machine and sanitizers: a test that waits so long has failed.
inline constexpr std::chrono::seconds patience{60};

/// Milliseconds left, for poll(2).
class Deadline {
public:
    explicit Deadline(std::chrono::milliseconds time = patience) :
        end_(std::chrono::steady_clock::now() + time) {}
    bool passed() const { return std::chrono::steady_clock::now() >= end_; }
    int left() const;

private:
    std::chrono::steady_clock::time_point end_;
};

/// A running child with pipes to its standard input and output; its standard error goes to a file. Dropping
/// kills it.
class Child {
public:
    /// Throws std::system_error when it cannot be started.
    Child(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
          const std::string& errorFile);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    int pid() const { return pid_; }
    void writeLine(const std::string& line) const;
    /// Throws std::runtime_error at the deadline or the end of the output.
    std::string readLine();
    /// All output up to its end.
    std::string readAll(const Deadline& deadline = Deadline());
    /// Waits for its end: the exit code, or 128 and the signal's number. Throws std::runtime_error at the
    /// deadline.
    int wait(const Deadline& deadline = Deadline());
    int terminate();

private:
    bool readMore(const Deadline& deadline);
    int pid_ = 0;
    int in_ = -1;
    int out_ = -1;
    std::string pending_;
};

struct Finished {
    int code = 0;
    std::string out;
    std::string err;
};

/// Runs a command to its end. A compiler takes longer than what is tested.
Finished run(const std::vector<std::string>& command, const std::map<std::string, std::string>& environment,
             const std::string& scratchFile, std::chrono::seconds time = patience);
inline constexpr std::chrono::seconds compilersPatience{600};

std::string readFile(const std::string& path);
void writeFile(const std::string& path, const std::string& content);

} // namespace vfiobind::bustest
