// SPDX-License-Identifier: LGPL-2.1-or-later
// What is published follows the groups, and what cannot be published is a warning.
#include "fixture.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace vfiobind::bustest::publish_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PublishTest : public BusTest {
protected:
    void SetUp() override {
        BusTest::SetUp();
        const auto folder = stateFolder() + "/files/run";
        std::filesystem::create_directories(folder + "/cdi");
        std::filesystem::create_directories(folder + "/vfio-bind");
        watch_ = inotify_init1(IN_CLOEXEC);
        for (const auto* each : {"/cdi", "/vfio-bind"})
            ASSERT_GE(inotify_add_watch(watch_, (folder + each).c_str(), IN_MOVED_TO | IN_DELETE), 0);
    }
    void TearDown() override {
        BusTest::TearDown();
        close(watch_);
    }

    /// Empty where there is none.
    std::string textOf(const std::string& path) const {
        const auto whole = stateFolder() + "/files/run/" + path;
        return std::filesystem::exists(whole) ? readFile(whole) : std::string();
    }
    std::vector<std::string> nodes() const {
        std::vector<std::string> result;
        const auto spec = textOf("cdi/vfio-bind.json");
        if (spec.empty())
            return result;
        const auto document = json::parse(spec);
        for (const auto& device : document.at("devices"))
            result.push_back(
                device.at("name").get<std::string>() + " " +
                device.at("containerEdits").at("deviceNodes").at(0).at("path").get<std::string>());
        return result;
    }
    std::string metrics() const { return textOf("vfio-bind/metrics.prom"); }

    /// The files come a few milliseconds after what they tell of.
    template <typename Condition>
    void waitUntil(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!condition()) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                deadline - std::chrono::steady_clock::now());
            pollfd waiting{.fd = watch_, .events = POLLIN, .revents = 0};
            ASSERT_EQ(poll(&waiting, 1, static_cast<int>(std::max<long>(left.count(), 0))), 1)
                << textOf("cdi/vfio-bind.json") << metrics();
            std::array<char, 4096> events{};
            ASSERT_GT(read(watch_, events.data(), events.size()), 0);
        }
    }
    void waitForMetric(const std::string& line) {
        waitUntil([&] { return ("\n" + metrics()).contains("\n" + line + "\n"); });
    }
    void waitForNodes(const std::vector<std::string>& wanted) {
        waitUntil([&] { return nodes() == wanted; });
    }

    static std::string rule(const std::string& name) {
        return "[[bind]]\nname = \"" + name + "\"\ndevices = [\"0000:01:00.0\"]\n";
    }

private:
    int watch_ = -1;
};

TEST_F(PublishTest, TheSpecHasWhatIsBoundAndIsGoneWithIt) {
    configure(rule("guest-gpu"));
    start();
    waitForNodes({"guest-gpu /dev/vfio/1"});
    client().bindAndWait(nic);
    waitForNodes({"guest-gpu /dev/vfio/1", "group-3 /dev/vfio/3"});
    configure(rule("card"));
    client().manager().Reload();
    waitForNodes({"card /dev/vfio/1", "group-3 /dev/vfio/3"});
    client().releaseAndWait(nic);
    client().releaseAndWait(gpu);
    waitForNodes({});
    EXPECT_EQ(textOf("cdi/vfio-bind.json"), "");
}

TEST_F(PublishTest, ARestartedDaemonLeavesATrueSpecAsItIs) {
    configure(rule("guest-gpu"));
    start();
    waitForNodes({"guest-gpu /dev/vfio/1"});
    const auto file = stateFolder() + "/files/run/cdi/vfio-bind.json";
    const auto before = std::filesystem::last_write_time(file);
    restart();
    waitForMetric("vfio_bind_jobs_total{kind=\"bind\",result=\"done\"} 0");
    EXPECT_EQ(std::filesystem::last_write_time(file), before);
}

TEST_F(PublishTest, MetricsCountJobsAndShowStatesAndBlockers) {
    configure(rule("guest-gpu"));
    start();
    waitForMetric("vfio_bind_group_state{group=\"1\",rule=\"guest-gpu\",state=\"bound\"} 1");
    waitForMetric("vfio_bind_jobs_total{kind=\"bind\",result=\"done\"} 1");
    waitForMetric("vfio_bind_config_error 0");
    configure("[[bind]\n");
    EXPECT_THROW(client().manager().Reload(), sdbus::Error);
    waitForMetric("vfio_bind_config_error 1");
    client().releaseAndWait(gpu);
    waitForMetric("vfio_bind_jobs_total{kind=\"release\",result=\"done\"} 1");
}

TEST_F(PublishTest, WhatIsSwitchedOffIsRemoved) {
    configure(rule("guest-gpu"));
    start();
    waitForNodes({"guest-gpu /dev/vfio/1"});
    configure("[publish]\ncdi = false\n" + rule("guest-gpu"));
    client().manager().Reload();
    waitForNodes({});
    EXPECT_NE(metrics(), "");
}

TEST_F(PublishTest, WhatTheSpecLacksIsAWarningWhereASpecIsWanted) {
    const auto cdevs = "cdi-nodes = \"cdev\"\n" + rule("guest-gpu");
    configure("[publish]\n" + cdevs);
    auto machine = standardMachine();
    machine["kernel"] = "6.1"; // which makes no cdevs
    start(machine);
    client().waitForState(1, "bound");
    client().waitFor("the warning", [&] { return !client().root("Warnings").empty(); });
    EXPECT_THAT(client().manager().Warnings(),
                ElementsAre(HasSubstr("the CDI spec lacks guest-gpu: cdi-nodes is \"cdev\"")));
    EXPECT_EQ(textOf("cdi/vfio-bind.json"), "");
    configure("[publish]\ncdi = false\n" + cdevs);
    client().manager().Reload();
    client().waitFor("the warning to go", [&] { return client().root("Warnings").empty(); });
    configure(rule("guest-gpu"));
    client().manager().Reload();
    waitForNodes({"guest-gpu /dev/vfio/1"});
}

TEST_F(PublishTest, WhatCannotBeWrittenIsAWarningAndBindsAllTheSame) {
    std::filesystem::remove_all(stateFolder() + "/files/run/cdi");
    writeFile(stateFolder() + "/files/run/cdi", "no folder");
    configure(rule("guest-gpu"));
    start();
    client().waitForState(1, "bound");
    client().waitFor("the warning", [&] { return !client().root("Warnings").empty(); });
    EXPECT_THAT(client().manager().Warnings(),
                ElementsAre(testing::AllOf(HasSubstr("/run/cdi/vfio-bind.json"), HasSubstr("ENOTDIR"))));
    std::filesystem::remove(stateFolder() + "/files/run/cdi");
    client().bindAndWait(nic);
    client().waitFor("the warning to go", [&] { return client().root("Warnings").empty(); });
    client().waitFor("the second group to be published", [&] { return nodes().size() == 2; });
    EXPECT_THAT(nodes(), ElementsAre("guest-gpu /dev/vfio/1", "group-3 /dev/vfio/3"));
}

} // namespace
} // namespace vfiobind::bustest::publish_test
