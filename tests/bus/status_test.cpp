// SPDX-License-Identifier: LGPL-2.1-or-later
// The line that `systemctl status` shows.
#include "fixture.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind::bustest::status_test {
namespace {

class StatusTest : public BusTest {
protected:
    /// In place of systemd's.
    void SetUp() override {
        BusTest::SetUp();
        sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
        const auto path = folder() + "/notify";
        path.copy(name.sun_path, sizeof name.sun_path - 1);
        socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (socket_ < 0 || bind(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
            throw std::system_error(errno, std::generic_category(), path);
        setenv("NOTIFY_SOCKET", path.c_str(), 1);
    }
    void TearDown() override {
        unsetenv("NOTIFY_SOCKET");
        BusTest::TearDown();
        close(socket_);
    }

    /// Waits until it is told. It comes a little after the groups have settled.
    void waitForStatus(const std::string& wanted) {
        settle();
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (last_ != wanted) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
            ASSERT_EQ(poll(&waiting, 1, static_cast<int>(std::max<long>(left.count(), 0))), 1)
                << "'" << wanted << "' is not told; the last was '" << last_ << "'";
            std::array<char, 1024> buffer{};
            const auto got = recv(socket_, buffer.data(), buffer.size(), 0);
            ASSERT_GE(got, 0);
            if (const std::string text(buffer.data(), static_cast<std::size_t>(got));
                text.starts_with("STATUS="))
                last_ = text.substr(std::string_view("STATUS=").size());
        }
    }
    /// What the groups on the bus come to.
    std::string counted() {
        EXPECT_EQ(client().audit(), "");
        std::map<std::string, unsigned> counts;
        for (const auto& [path, interfaces] : client().known())
            if (const auto group = interfaces.find(groupInterface); group != interfaces.end())
                ++counts[group->second.at("State").get<std::string>()];
        counts.erase("native");
        std::string text;
        for (const auto& [state, count] : counts)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
        return text.empty() ? "no group bound" : text;
    }

    void expectStatus(const std::string& text) {
        waitForStatus(text);
        EXPECT_EQ(counted(), text);
    }

private:
    int socket_ = -1;
    std::string last_;
};

TEST_F(StatusTest, CountsTheGroupsThatAreNotNative) {
    const std::string slot = "0000:04:00.0";
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"8086:1533\"]\n");
    start();
    expectStatus("no group bound");
    EXPECT_THAT(client().bindAndWait(gpu), testing::ElementsAre("done"));
    expectStatus("1 bound");
    tell("hotplug " + networkCard(slot, 9, "8086:1533").dump());
    expectStatus("2 bound");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + slot);
    expectStatus("1 bound, 1 drifted");
    tell("unplug " + slot);
    expectStatus("1 bound");
    configure("[[bind]]\nname = \"all\"\ndevices = [\"8086:\"]\nbad\n");
    EXPECT_ANY_THROW(client().manager().Reload());
    waitForStatus("1 bound; the configuration is invalid");
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"8086:10d3\"]\n");
    client().manager().Reload();
    expectStatus("3 bound");
    restart();
    expectStatus("3 bound");
    EXPECT_THAT(client().releaseAndWait(gpu), testing::ElementsAre("done"));
    expectStatus("2 bound");
}

} // namespace
} // namespace vfiobind::bustest::status_test
