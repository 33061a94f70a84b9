// SPDX-License-Identifier: LGPL-2.1-or-later
// Devices that come and go.
#include "fixture.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::bustest::hotplug_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string slot = "0000:04:00.0";
constexpr unsigned slotGroup = 9;

class HotplugTest : public BusTest {
protected:
    void SetUp() override {
        BusTest::SetUp();
        configure("[[bind]]\nname = \"plugged\"\ndevices = [\"8086:1533\"]\n");
    }
    /// With a driver that takes the device before anybody else can.
    static json machine() {
        auto machine = standardMachine();
        machine["drivers"].push_back({{"name", "igb"}, {"module", "igb"}, {"ids", {"8086:1533"}}});
        return machine;
    }
    static json card() { return networkCard(slot, slotGroup, "8086:1533"); }
    void waitUntilGone() {
        client().waitFor(slot + " to go", [&] {
            return !client().known().contains(devicePath(slot)) &&
                   !client().known().contains(groupPath(slotGroup));
        });
    }
};

/// Cases 42 and 14.
TEST_F(HotplugTest, ADeviceThatComesIsBoundEachTimeAndGoesWithItsObjects) {
    start(machine());
    for (int round = 0; round < 3; ++round) {
        tell("hotplug " + card().dump());
        client().waitForState(slotGroup, "bound");
        EXPECT_EQ(driverOf(slot), "vfio-pci");
        EXPECT_EQ(client().group(slotGroup, "Rule"), "plugged");
        tell("unplug " + slot);
        waitUntilGone();
        settle();
        EXPECT_EQ(client().audit(), "");
    }
}

TEST_F(HotplugTest, ADeviceThatNoRuleWantsIsShownAndLeftAlone) {
    start(machine());
    tell("hotplug " + networkCard(slot, slotGroup, "8086:10d3").dump());
    client().waitFor("the device", [&] { return client().known().contains(devicePath(slot)); });
    settle();
    EXPECT_EQ(client().device(slot, "Driver"), "e1000e");
    EXPECT_EQ(client().group(slotGroup, "State"), "native");
    EXPECT_THAT(writes(), IsEmpty());
}

/// Case 58: a host bridge without a driver is left alone in a group that is bound; one that it gets later
/// counts against the group.
TEST_F(HotplugTest, ADriverThatComesLateForADriverlessMemberIsAnAlarm) {
    const std::string hostBridge = "0000:00:00.0";
    auto machine = standardMachine();
    machine["drivers"].push_back({{"name", "skx_edac"}, {"module", "skx_edac"}, {"ids", {"8086:29c0"}}});
    machine["devices"][0]["group"] = 3;
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start(machine);
    ASSERT_EQ(client().group(3, "State"), "bound");
    ASSERT_EQ(client().group(3, "Viable"), true);
    tell("clear-writes");
    tell("echo /sys/bus/pci/drivers/skx_edac/bind " + hostBridge);
    client().waitFor("the alarm", [&] { return client().group(3, "Viable") == false; });
    EXPECT_THAT(client().group(3, "LastError").get<std::string>(),
                HasSubstr(hostBridge + " is on skx_edac, so group 3 is not viable"));
    tell("echo /sys/bus/pci/drivers/skx_edac/unbind " + hostBridge);
    client().waitFor("the all-clear", [&] { return client().group(3, "Viable") == true; });
    EXPECT_EQ(client().group(3, "LastError"), "");
    settle();
    EXPECT_THAT(writes(), IsEmpty());
}

/// Case 14: another card in the same slot, in a group of another number, inherits nothing.
TEST_F(HotplugTest, AnotherCardInTheSlotIsAnotherObject) {
    start(machine());
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound");
    EXPECT_THAT(client().releaseAndWait(slot), ElementsAre("done"));
    tell("unplug " + slot);
    tell("hotplug " + networkCard(slot, 12, "8086:10d3").dump());
    settle();
    EXPECT_EQ(client().audit(), "");
    EXPECT_EQ(client().device(slot, "Device"), 0x10d3);
    EXPECT_EQ(client().device(slot, "Group"), groupPath(12));
    EXPECT_EQ(client().group(12, "State"), "native");
    tell("unplug " + slot);
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound"); // the release was of the card that has gone
}

/// Case 11, as fast as nobody can look: what was wanted was the card that has gone.
TEST_F(HotplugTest, AnotherCardThatTookTheSlotUnseenIsNotTaken) {
    const std::string other = "0000:05:00.0";
    constexpr unsigned otherGroup = 10;
    configure("[[bind]]\nname = \"plugged\"\ndevices = [\"8086:1533\"]\n"
              "[[bind]]\nname = \"slot\"\ndevices = [{ address = \"" +
              other + "\", id = \"8086:1501\" }]\n");
    start(machine());
    const auto replace = [&](const std::string& place, unsigned group, const std::string& ids) {
        tell("hotplug " + networkCard(place, group, ids).dump());
        client().waitForState(group, "bound");
        settle();
        tell("clear-writes");
        tell("swap " + networkCard(place, group, "8086:10d3").dump());
        settle();
        EXPECT_EQ(client().audit(), "");
        EXPECT_EQ(driverOf(place), "e1000e");
        EXPECT_THAT(writes(), IsEmpty());
    };
    replace(slot, slotGroup, "8086:1533");
    replace(other, otherGroup, "8086:1501");
    EXPECT_EQ(client().group(slotGroup, "State"), "native");
    EXPECT_EQ(client().group(slotGroup, "Rule"), "");
    EXPECT_EQ(client().group(otherGroup, "State"), "blocked");
    EXPECT_EQ(client().group(otherGroup, "Blockers")[0][0], "id-mismatch");
    tell("swap " + card().dump());
    client().waitForState(slotGroup, "bound");
}

/// Case 15: a group that gains a member is completed.
TEST_F(HotplugTest, AGroupThatGainsAMemberIsCompleted) {
    start(machine());
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound");
    tell("hotplug " + networkCard("0000:04:00.1", slotGroup, "8086:10d3").dump());
    client().waitFor("the new member", [&] { return client().known().contains(devicePath("0000:04:00.1")); });
    settle();
    EXPECT_EQ(client().group(slotGroup, "State"), "bound");
    EXPECT_EQ(driverOf("0000:04:00.1"), "vfio-pci");
}

/// Case 15: ... or, where that cannot be, alarmed; what was bound stays so.
TEST_F(HotplugTest, AGainedMemberThatCannotBeBoundIsAnAlarm) {
    start(machine());
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound");
    const std::string second = "0000:04:00.1";
    tell("fail-at vfio-pci/bind <- " + second + " EIO 9");
    tell("hotplug " + networkCard(second, slotGroup, "8086:10d3").dump());
    client().waitForState(slotGroup, "partial");
    settle();
    EXPECT_THAT(client().group(slotGroup, "LastError").get<std::string>(),
                testing::AllOf(HasSubstr("bind " + second + " vfio-pci"), HasSubstr("EIO")));
    EXPECT_EQ(driverOf("0000:04:00.0"), "vfio-pci");
    EXPECT_NE(driverOf(second), "vfio-pci");
    EXPECT_FALSE(client().group(slotGroup, "Viable").get<bool>());
}

/// Case 41: torn out in the middle of a transaction.
TEST_F(HotplugTest, ADeviceThatVanishesMidStepEndsItsJob) {
    start(machine());
    for (const auto* when : {"vanish 0", "vanish 1", "vanish 2"}) {
        tell(when);
        tell("hotplug " + card().dump());
        settle();
        waitUntilGone();
        EXPECT_EQ(client().root("Jobs"), json::array()) << when;
        EXPECT_EQ(client().audit(), "") << when;
    }
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound");
}

/// Case 41: one function of a card goes while its sibling is worked on; the sibling ends in one piece.
TEST_F(HotplugTest, TheSiblingOfAVanishedFunctionIsConsistent) {
    start(machine());
    tell("vanish 1"); // the second override: the audio function goes
    const auto results = client().bindAndWait(gpu);
    settle();
    const auto driver = driverOf(gpu);
    const auto state = client().group(1, "State").get<std::string>();
    EXPECT_TRUE((driver == "vfio-pci" && state == "bound") || (driver == "nouveau" && state == "native"))
        << driver << ' ' << state;
    EXPECT_EQ(results.size(), 1U);
    EXPECT_FALSE(client().known().contains(devicePath(audio)));
}

/// Case 67.
TEST_F(HotplugTest, AHundredFlapsLeaveNothingBehind) {
    start(machine());
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound");
    tell("unplug " + slot);
    waitUntilGone();
    settle();
    const auto before = resources();
    const auto objects = client().objects();
    for (int flap = 0; flap < 100; ++flap) {
        tell("hotplug " + card().dump());
        if (flap % 3 == 0)
            settle(); // some are bound in between, some go before anybody looked
        tell("unplug " + slot);
    }
    settle();
    waitUntilGone();
    EXPECT_EQ(differences(objects, client().objects()), "");
    EXPECT_EQ(resources(), before) << "descriptors, threads, children";
    tell("hotplug " + card().dump());
    client().waitForState(slotGroup, "bound"); // the last state wins
}

/// Cases 66 and 26: all at once, one transaction a group.
TEST_F(HotplugTest, SixtyFourVirtualFunctionsAreAllBound) {
    configure("[[bind]]\nname = \"vfs\"\ndevices = [\"8086:10ed\"]\n");
    auto machine = standardMachine();
    machine["drivers"].push_back(
        {{"name", "ixgbe"}, {"module", "ixgbe"}, {"ids", {"8086:10fb"}}, {"sriov", true}});
    machine["drivers"].push_back({{"name", "ixgbevf"}, {"module", "ixgbevf"}, {"ids", {"8086:10ed"}}});
    auto pf = networkCard(slot, slotGroup, "8086:10fb");
    pf["driver"] = "ixgbe";
    pf["total-vfs"] = 64;
    pf["vf-ids"] = "8086:10ed";
    machine["devices"].push_back(pf);
    start(machine);
    tell("vfs " + slot + " 64");
    settle();
    EXPECT_EQ(client().audit(), "");
    const auto vfs = client().device(slot, "VirtualFunctions");
    ASSERT_EQ(vfs.size(), 64U);
    std::set<std::string> groups;
    for (const auto& vf : vfs) {
        const auto& properties = client().known().at(vf.get<std::string>()).at(deviceInterface);
        EXPECT_EQ(properties.at("Driver"), "vfio-pci") << vf;
        const auto group = properties.at("Group").get<std::string>();
        EXPECT_EQ(client().known().at(group).at(groupInterface).at("State"), "bound") << group;
        groups.insert(group);
    }
    EXPECT_EQ(groups.size(), 64U);
    EXPECT_EQ(driverOf(slot), "ixgbe") << "the PF is untouched";
    const auto all = writes();
    EXPECT_EQ(std::ranges::count_if(
                  all, [](const auto& w) { return w.find("vfio-pci/bind") != std::string::npos; }),
              64);
    tell("vfs " + slot + " 0"); // case 27
    settle();
    EXPECT_EQ(client().device(slot, "VirtualFunctions"), json::array());
    EXPECT_EQ(client().audit(), "");
}

/// Case 43: after an overflow everything is read again.
TEST_F(HotplugTest, AfterLostEventsEverythingIsReadAgain) {
    start(machine());
    tell("hotplug " + card().dump());
    tell("unplug " + twin);
    tell("overflow");
    settle();
    EXPECT_EQ(client().audit(), "");
    EXPECT_EQ(client().group(slotGroup, "State"), "bound");
    EXPECT_FALSE(client().known().contains(devicePath(twin)));
}

/// Twenty clients at the same time: each has its own group, all want one more, and all look.
TEST_F(HotplugTest, TwentyClientsAreServedSideBySide) {
    auto machine = standardMachine();
    for (unsigned i = 0; i < 20; ++i) {
        auto device = networkCard(fmt::format("0000:04:{:02x}.0", i), 20 + i, "8086:10d3");
        device["driver"] = "e1000e";
        machine["devices"].push_back(device);
    }
    start(machine);
    struct Caller {
        std::unique_ptr<BusClient> client = std::make_unique<BusClient>();
        std::vector<std::unique_ptr<sdbus::IProxy>> proxies;
        std::vector<std::string> jobs;
        std::string shared;
        unsigned answers = 0;
    };
    std::vector<Caller> callers(20);
    const auto call = [](Caller& caller, const std::string& method, const std::string& target, auto then) {
        auto& proxy = caller.proxies.emplace_back(sdbus::createProxy(
            caller.client->connection(), bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath}));
        bus::finishRegistration(*proxy);
        proxy->callMethodAsync(method)
            .onInterface(managerInterface)
            .withArguments(target, Options{})
            .uponReplyInvoke(
                [&caller, then](bus::AsyncError error, const std::vector<sdbus::ObjectPath>& jobs) {
                    ++caller.answers;
                    then(error ? std::string(error->getName()) : std::string(), jobs);
                });
    };
    for (unsigned i = 0; i < 20; ++i) {
        auto& caller = callers[i];
        call(caller, "Bind", fmt::format("group/{}", 20 + i),
             [&caller](const std::string& error, const auto& jobs) {
                 EXPECT_EQ(error, "");
                 caller.jobs.assign(jobs.begin(), jobs.end());
             });
        call(caller, "Bind", gpu, [&caller](const std::string& error, const auto& jobs) {
            caller.shared = !error.empty() ? error : jobs.empty() ? "nothing to do" : "job";
        });
    }
    unsigned winners = 0;
    for (unsigned i = 0; i < 20; ++i) {
        auto& caller = callers[i];
        caller.client->waitFor("the answers", [&] { return caller.answers == 2; });
        ASSERT_EQ(caller.jobs.size(), 1U);
        EXPECT_EQ(caller.client->resultOf(caller.jobs.front()), "done");
        winners += caller.shared == "job" ? 1 : 0;
        EXPECT_TRUE(caller.shared == "job" || caller.shared == "nothing to do" ||
                    caller.shared == "org.vfiobind1.Error.Busy")
            << caller.shared;
    }
    EXPECT_EQ(winners, 1U) << "one of them has begun the job that all wanted";
    client().waitForState(1, "bound");
    settle();
    for (auto& caller : callers)
        EXPECT_EQ(caller.client->audit(), "");
    EXPECT_EQ(std::ranges::count_if(
                  writes(), [](const auto& w) { return w.find("vfio-pci/bind") != std::string::npos; }),
              22);
}

} // namespace
} // namespace vfiobind::bustest::hotplug_test
