// SPDX-License-Identifier: LGPL-2.1-or-later
// Virtual functions that a rule wants made.
#include "lease_fixture.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::bustest::sriov_test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string pf = "0000:04:00.0";
constexpr unsigned pfGroup = 9;

class SriovTest : public LeaseFixture {
protected:
    void SetUp() override {
        LeaseFixture::SetUp();
        configure(rule(4));
    }
    static std::string rule(unsigned count) {
        return fmt::format("[[bind]]\nname = \"vfs\"\ndevices = [\"8086:10fb\"]\nsriov-vfs = {}\n", count);
    }
    static json drivers() {
        auto machine = standardMachine();
        machine["drivers"].push_back(
            {{"name", "ixgbe"}, {"module", "ixgbe"}, {"ids", {"8086:10fb"}}, {"sriov", true}});
        machine["drivers"].push_back({{"name", "ixgbevf"}, {"module", "ixgbevf"}, {"ids", {"8086:10ed"}}});
        return machine;
    }
    static json card() {
        auto card = networkCard(pf, pfGroup, "8086:10fb");
        card["total-vfs"] = 64;
        card["vf-ids"] = "8086:10ed";
        return card;
    }
    static json machine() {
        auto machine = drivers();
        auto device = card();
        device["driver"] = "ixgbe";
        machine["devices"].push_back(device);
        return machine;
    }
    /// It has made the functions, and autoprobe is off.
    void startWithAWorkerThatIsKilled() {
        configure("");
        start(machine());
        settle();
        tell("kill-after 1");
        configure(rule(4));
        client().manager().Reload();
        settle();
    }
    void restartWithoutADriver() {
        tell("echo /sys/bus/pci/drivers/ixgbe/unbind " + pf);
        settle();
        restart();
        settle();
        ASSERT_THAT(writes(), testing::Not(Contains(HasSubstr("sriov_drivers_autoprobe <- 1"))));
    }
    void expectAutoprobeComesWithTheDriver() {
        tell("echo /sys/bus/pci/drivers/ixgbe/bind " + pf);
        settle();
        EXPECT_THAT(writes(), Contains(HasSubstr("sriov_drivers_autoprobe <- 1")));
    }
    void expectBound(std::size_t count) {
        EXPECT_EQ(client().audit(), "");
        const auto vfs = client().device(pf, "VirtualFunctions");
        ASSERT_EQ(vfs.size(), count);
        for (const auto& vf : vfs) {
            const auto& properties = client().known().at(vf.get<std::string>()).at(deviceInterface);
            EXPECT_EQ(properties.at("Driver"), "vfio-pci") << vf;
            const auto group = properties.at("Group").get<std::string>();
            EXPECT_EQ(client().known().at(group).at(groupInterface).at("State"), "bound") << group;
        }
        EXPECT_EQ(driverOf(pf), "ixgbe") << "the PF keeps its driver";
        EXPECT_THAT(writes(), testing::Not(Contains(HasSubstr("unbind")))) << "no native driver had them";
    }
};

TEST_F(SriovTest, AreMadeAndBoundAtTheStart) { // case 26
    start(machine());
    settle();
    expectBound(4);
}

TEST_F(SriovTest, AreMadeForACardThatIsPluggedIn) {
    start(drivers());
    tell("hotplug " + card().dump());
    settle();
    expectBound(4);
}

/// pci_iov_add_virtfn, drivers/pci/iov.c: device_add, which tells of the function, comes before
/// pci_iov_sysfs_link.
TEST_F(SriovTest, ThatAreLinkedLateAreBound) {
    configure(rule(2));
    start(machine());
    settle();
    tell("vfs " + pf + " 0");
    settle();
    tell("clear-writes");
    tell("late-links");
    tell("vfs " + pf + " 2");
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    tell("link-functions");
    settle();
    EXPECT_EQ(client().audit(), "");
    for (const auto& vf : client().device(pf, "VirtualFunctions"))
        EXPECT_EQ(client().known().at(vf.get<std::string>()).at(deviceInterface).at("Driver"), "vfio-pci")
            << vf;
    EXPECT_EQ(client().device(pf, "VirtualFunctions").size(), 2U);
}

TEST_F(SriovTest, AreMadeAtAReload) {
    configure("");
    start(machine());
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    configure(rule(2));
    client().manager().Reload();
    settle();
    expectBound(2);
}

TEST_F(SriovTest, AnotherNumberIsRefusedUntilThereAreNone) {
    start(machine());
    settle();
    configure(rule(2));
    client().manager().Reload();
    settle();
    expectBound(4);
    EXPECT_THAT(client().group(pfGroup, "LastError").get<std::string>(),
                HasSubstr("has 4 virtual functions, and rule vfs wants 2"));
    tell("vfs " + pf + " 0");
    settle();
    EXPECT_EQ(client().device(pf, "VirtualFunctions"), json::array()) << "who takes them away is not fought";
    tell("clear-writes");
    client().manager().Reload();
    settle();
    expectBound(2);
}

/// Case 27, and what makes the rule act again.
TEST_F(SriovTest, ComeBackWithTheCard) {
    start(machine());
    settle();
    tell("unplug " + pf);
    client().waitFor(pf + " to go", [&] { return !client().known().contains(devicePath(pf)); });
    settle();
    EXPECT_EQ(client().audit(), "");
    EXPECT_FALSE(client().known().contains(groupPath(pfGroup)))
        << "its functions' events came before its own";
    tell("clear-writes");
    tell("hotplug " + card().dump());
    settle();
    expectBound(4);
}

TEST_F(SriovTest, AFailedWriteIsToldAndUndone) {
    configure("");
    start(machine());
    settle();
    const auto before = machineState();
    tell("fail-at sriov_numvfs EIO");
    configure(rule(2));
    client().manager().Reload();
    settle();
    EXPECT_EQ(client().audit(), "");
    EXPECT_THAT(client().group(pfGroup, "LastError").get<std::string>(), HasSubstr("sriov_numvfs: EIO"));
    EXPECT_EQ(machineState(), before);
}

/// The functions are all there then, and sriov_drivers_autoprobe is off.
TEST_F(SriovTest, AWorkerThatWasKilledLeavesNoAutoprobeOff) {
    startWithAWorkerThatIsKilled();
    ASSERT_THAT(writes(), Contains(HasSubstr("sriov_numvfs <- 4: killed")));
    ASSERT_THAT(writes(), testing::Not(Contains(HasSubstr("sriov_drivers_autoprobe <- 1"))));
    restart();
    settle();
    EXPECT_THAT(writes(), Contains(HasSubstr("sriov_drivers_autoprobe <- 1")));
    expectBound(4);
}

/// The physical function's driver comes after the daemon.
TEST_F(SriovTest, AnAutoprobeThatIsLeftOffIsSetOnWhenTheDriverComes) {
    startWithAWorkerThatIsKilled();
    restartWithoutADriver();
    expectAutoprobeComesWithTheDriver();
}

TEST_F(SriovTest, ARestartMakesNoWrite) { // case 39
    start(machine());
    settle();
    tell("clear-writes");
    restart();
    settle();
    EXPECT_THAT(writes(), IsEmpty());
}

/// A rule that is asked for makes its functions then, and they stay.
class AskedSriovTest : public SriovTest {
protected:
    void SetUp() override {
        SriovTest::SetUp();
        configure(rule(2) + "when = \"asked\"\n");
    }
    std::size_t functions() { return client().device(pf, "VirtualFunctions").size(); }
};

TEST_F(AskedSriovTest, AreMadeForABind) {
    start(machine());
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    const auto check = client().check("vfs");
    EXPECT_TRUE(check.possible);
    EXPECT_THAT(check.steps, testing::ElementsAre("sriov_numvfs " + pf + " 2"));
    EXPECT_EQ(refusalOf([&] { client().release("vfs"); }).name, "NoSuchDevice");
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_THAT(client().bindAndWait("vfs"), testing::ElementsAre("done", "done"));
    settle();
    expectBound(2);
    client().releaseAndWait("vfs");
    tell("clear-writes");
    EXPECT_THAT(client().bindAndWait("vfs"), testing::ElementsAre("done", "done"));
    settle();
    EXPECT_EQ(functions(), 2U);
    EXPECT_THAT(writes(), testing::Not(Contains(HasSubstr("sriov_numvfs"))));
}

TEST_F(AskedSriovTest, AreMadeForALeaseAndStayAfterIt) {
    start(machine());
    const auto ended = ctl({"run", "vfs", "--", "sh", "-c", "echo $VFIO_BIND_GROUPS | wc -w"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out, "2\n");
    settle();
    EXPECT_EQ(functions(), 2U);
    for (const auto& vf : client().device(pf, "VirtualFunctions")) {
        const auto group = client().property(vf.get<std::string>(), deviceInterface, "Group");
        client().waitFor("the functions to go back", [&] {
            return client().property(group.get<std::string>(), groupInterface, "State") == "native";
        });
    }
}

TEST_F(AskedSriovTest, WhyTheyCannotBeMadeIsTheAnswer) {
    start(machine());
    tell("fail-at sriov_numvfs EIO");
    const auto failed = refusalOf([&] { client().bind("vfs"); });
    EXPECT_EQ(failed.name, "KernelRefused");
    EXPECT_THAT(failed.message, HasSubstr("sriov_numvfs: EIO"));
    tell("vfs " + pf + " 3");
    settle();
    tell("clear-writes");
    EXPECT_FALSE(client().check("vfs").possible);
    EXPECT_THAT(refusalOf([&] { client().bind("vfs"); }).message,
                HasSubstr("has 3 virtual functions, and rule vfs wants 2"));
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(AskedSriovTest, AWorkerThatWasKilledLeavesNoAutoprobeOff) {
    start(machine());
    tell("kill-after 1");
    EXPECT_EQ(refusalOf([&] { client().bind("vfs"); }).name, "KernelRefused");
    restart();
    settle();
    EXPECT_THAT(writes(), Contains(HasSubstr("sriov_drivers_autoprobe <- 1")));
}

TEST_F(AskedSriovTest, AnAutoprobeThatIsLeftOffIsSetOnWhenTheDriverComes) {
    start(machine());
    tell("kill-after 1");
    EXPECT_EQ(refusalOf([&] { client().bind("vfs"); }).name, "KernelRefused");
    restartWithoutADriver();
    expectAutoprobeComesWithTheDriver();
}

/// Functions that are made stay, so whoever is to be refused has none made.
TEST_F(AskedSriovTest, WhoMayHaveNoMoreLeasesHasNoneMade) {
    start(machine());
    tell("hotplug " + networkCard("0000:05:00.0", 10).dump());
    settle();
    std::vector<Lease> leases;
    for (const auto& card : {gpu, nic, twin, std::string("0000:05:00.0")})
        for (int i = 0; i < 16; ++i)
            leases.push_back(acquire(card));
    tell("clear-writes");
    const auto refusal = acquireRefusal("vfs");
    EXPECT_EQ(refusal.name, "LimitsExceeded");
    EXPECT_THAT(refusal.message, HasSubstr("has 64 leases"));
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(AskedSriovTest, WhomALeaseForbidsTheDriverHasNoneMade) {
    start(machine());
    const auto lease = acquire(pf);
    tell("clear-writes");
    const auto refusal = refusalOf([&] { client().bind("vfs", {{"driver", text("pci-stub")}}); });
    EXPECT_EQ(refusal.name, "InUse");
    EXPECT_THAT(refusal.message, HasSubstr("group 9 is leased with driver auto"));
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(AskedSriovTest, AWriteThatHangsIsToldToEachWhoAsks) {
    configure("[defaults]\ntimeout = \"200ms\"\n" + rule(2) + "when = \"asked\"\n");
    start(machine());
    tell("hang-at sriov_numvfs <- 2");
    for (int i = 0; i < 2; ++i) {
        const auto refusal = refusalOf([&] { client().bind("vfs"); });
        EXPECT_EQ(refusal.name, "KernelRefused");
        EXPECT_THAT(refusal.message, HasSubstr("hangs in the kernel"));
    }
    tell("finish-hang");
    settle();
    EXPECT_THAT(client().bindAndWait("vfs"), testing::ElementsAre("done", "done"));
    settle();
    expectBound(2);
}

TEST_F(AskedSriovTest, ACardThatGoesWhileTheyAreMadeIsTheAnswer) {
    start(machine());
    tell("hang-at sriov_numvfs <- 2");
    std::optional<std::string> answer;
    const auto call = client().callBind(
        "vfs", [&](bus::AsyncError error, const auto&) { answer = error ? error->getMessage() : "bound"; });
    client().group(pfGroup, "State"); // the call before it has come, too
    settle();
    EXPECT_FALSE(answer);
    tell("unplug " + pf);
    tell("finish-hang");
    client().waitFor("the call to be answered", [&] { return answer.has_value(); });
    EXPECT_THAT(*answer, HasSubstr(pf + " is gone"));
}

} // namespace
} // namespace vfiobind::bustest::sriov_test
