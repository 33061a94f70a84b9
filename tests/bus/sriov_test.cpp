// SPDX-License-Identifier: LGPL-2.1-or-later
// Virtual functions that a rule wants made.
#include "fixture.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::bustest::sriov_test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string pf = "0000:04:00.0";
constexpr unsigned pfGroup = 9;

class SriovTest : public BusTest {
protected:
    void SetUp() override {
        BusTest::SetUp();
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
    configure("");
    start(machine());
    settle();
    tell("kill-after 1");
    configure(rule(4));
    client().manager().Reload();
    settle();
    ASSERT_THAT(writes(), Contains(HasSubstr("sriov_numvfs <- 4: killed")));
    ASSERT_THAT(writes(), testing::Not(Contains(HasSubstr("sriov_drivers_autoprobe <- 1"))));
    restart();
    settle();
    EXPECT_THAT(writes(), Contains(HasSubstr("sriov_drivers_autoprobe <- 1")));
    expectBound(4);
}

TEST_F(SriovTest, ARestartMakesNoWrite) { // case 39
    start(machine());
    settle();
    tell("clear-writes");
    restart();
    settle();
    EXPECT_THAT(writes(), IsEmpty());
}

} // namespace
} // namespace vfiobind::bustest::sriov_test
