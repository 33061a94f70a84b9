// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/uevent_filter.h"

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind::uevent_filter_test {
namespace {

/// The kernel runs the filter for a message of a local socket as it does for netlink's.
class UeventFilterTest : public testing::Test {
protected:
    UeventFilterTest() {
        if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends_.data()) != 0)
            throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    ~UeventFilterTest() override {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    void hearOnly(const std::vector<std::string_view>& subsystems, std::string_view action = {}) const {
        const auto done = hearOnlyOf(ends_[0], subsystems, action);
        ASSERT_TRUE(done) << done.error().str();
    }
    bool isHeard(const std::string& message) const {
        EXPECT_EQ(::send(ends_[1], message.data(), message.size(), 0), static_cast<ssize_t>(message.size()));
        std::array<char, 4096> buffer{};
        const auto n = ::recv(ends_[0], buffer.data(), buffer.size(), 0);
        EXPECT_TRUE(n == static_cast<ssize_t>(message.size()) || (n < 0 && errno == EAGAIN)) << n;
        return n > 0;
    }

    std::array<int, 2> ends_{};
};

std::string lines(std::string text) {
    for (auto& character : text)
        if (character == '\n')
            character = '\0';
    return text;
}

std::string uevent(std::string_view action, std::string_view path, std::string_view subsystem) {
    return lines(
        fmt::format("{0}@{1}\nACTION={0}\nDEVPATH={1}\nSUBSYSTEM={2}\nSEQNUM=7\n", action, path, subsystem));
}

constexpr auto card = "/devices/pci0000:00/0000:00:01.0/0000:01:00.0";

TEST_F(UeventFilterTest, LetsThroughTheSubsystemsThatAreAskedFor) {
    hearOnly({"pci", "vfio"});
    for (const auto* action : {"add", "remove", "bind", "unbind", "change", "online"}) {
        EXPECT_TRUE(isHeard(uevent(action, card, "pci"))) << action;
        EXPECT_TRUE(isHeard(uevent(action, "/devices/virtual/vfio/22", "vfio"))) << action;
        EXPECT_FALSE(isHeard(uevent(action, fmt::format("{}/nvme/nvme0", card), "nvme"))) << action;
    }
}

TEST_F(UeventFilterTest, ANameIsComparedWhole) {
    hearOnly({"pci", "vfio"});
    for (const auto* other : {"pci_express", "pc", "vfio-dev", "vfi", "v", "block"})
        EXPECT_FALSE(isHeard(uevent("add", card, other))) << other;
}

TEST_F(UeventFilterTest, OfOneActionAlone) {
    hearOnly({"pci"}, "add");
    EXPECT_TRUE(isHeard(uevent("add", card, "pci")));
    EXPECT_FALSE(isHeard(uevent("bind", card, "pci")));
    EXPECT_FALSE(isHeard(uevent("add", card, "block")));
}

TEST_F(UeventFilterTest, APathMayHaveAnyLength) {
    hearOnly({"pci"});
    std::string path = "/devices/";
    while (path.size() < 400) {
        path += 'x';
        ASSERT_TRUE(isHeard(uevent("add", path, "pci"))) << path.size();
        // Of others it is not told whose they are.
        if (path.size() < 180) {
            ASSERT_FALSE(isHeard(uevent("add", path, "nvme"))) << path.size();
        }
    }
}

TEST_F(UeventFilterTest, WhatIsNotAsTheKernelHasItToday) {
    hearOnly({"pci"});
    EXPECT_TRUE(isHeard(lines("add@/devices/x\nACTION=add\nSUBSYSTEM=nvme\nDEVPATH=/devices/x\nSEQNUM=7\n")));
    EXPECT_TRUE(isHeard(uevent("add", "/devices/\x80\x80\x80\x80\x80/x", "pci")));
    EXPECT_TRUE(isHeard(std::string(700, 'x')));
    EXPECT_FALSE(isHeard("add@/x")) << "the kernel has none that ends there";
}

TEST_F(UeventFilterTest, TheErrorIsTheKernels) {
    const auto done = hearOnlyOf(-1, {"pci"});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, EBADF);
}

} // namespace
} // namespace vfiobind::uevent_filter_test
