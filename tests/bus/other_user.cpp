// SPDX-License-Identifier: LGPL-2.1-or-later
#include "other_user.h"

#include <array>
#include <csignal>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace vfiobind::bustest {
namespace {

std::string asNobody(const std::function<std::string()>& act) {
    if (setgroups(0, nullptr) != 0 || setgid(nobody) != 0 || setuid(nobody) != 0)
        return "cannot become nobody";
    try {
        return act();
    } catch (const std::exception& error) {
        return error.what();
    }
}

} // namespace

OtherUser::OtherUser(std::function<std::string()> act) {
    std::array<int, 2> start{};
    std::array<int, 2> report{};
    if (geteuid() != 0 || pipe(start.data()) != 0 || pipe(report.data()) != 0) {
        ADD_FAILURE() << "a call by another user cannot be made: run this test as root";
        return;
    }
    pid_ = fork();
    if (pid_ == 0) {
        close(start[1]);
        close(report[0]);
        char byte = 0;
        const bool told = read(start[0], &byte, 1) == 1;
        const auto text = told ? asNobody(act) : std::string{};
        const auto written = write(report[1], text.data(), text.size());
        _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    close(start[0]);
    close(report[1]);
    start_ = start[1];
    report_ = report[0];
}

OtherUser::~OtherUser() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    close(start_);
    close(report_);
}

void OtherUser::go() const {
    EXPECT_EQ(write(start_, "g", 1), 1);
}

void OtherUser::kill() const {
    ::kill(pid_, SIGKILL);
}

std::string OtherUser::report() {
    std::string text;
    std::array<char, 1024> buffer{};
    for (ssize_t n = 0; (n = read(report_, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    waitpid(std::exchange(pid_, -1), nullptr, 0);
    return text;
}

} // namespace vfiobind::bustest
