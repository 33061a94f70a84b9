// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/override_rules.h"

#include "config/config.h"
#include "fake/machine.h"
#include "topology/topology.h"

#include <cerrno>

namespace vfiobind::override_rules_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

const std::string late = "0000:02:00.1";

std::vector<OverrideRule> rulesFor(const std::string& devices, const std::vector<TakenDevice>& taken = {},
                                   const std::vector<Device>& left = {}, const std::string& more = {}) {
    const auto policy = parsePolicy(
        {{"vfio-bind.toml", "[[bind]]\nname = \"r\"\ndevices = [" + devices + "]\n" + more + "\n"}});
    return overrideRules(*policy, taken, left, [](const Ids&) { return "vfio-pci"; }).rules;
}

Address at(const std::string& text) {
    return *Address::parse(text);
}

/// A NIC is announced, and not yet matched with drivers; e1000e is loaded and would take it.
class NewDevice : public testing::Test {
protected:
    void SetUp() override { kernel.addWindow = true; }
    void plug(const std::string& address, const std::string& ids = "8086:10d3", unsigned group = 7) {
        kernel.hotplug({.address = address, .ids = ids, .classCode = 0x020000, .group = group});
    }
    FakeKernel kernel = machine();
};

TEST_F(NewDevice, IsTheNativeDriversWithoutARule) {
    plug(late);
    EXPECT_THAT(overrideNewDevice(kernel, rulesFor("\"10de:1284\""), at(late)).set, IsEmpty());
    kernel.finishAdd(late);
    EXPECT_EQ(kernel.driverOf(late), "e1000e");
}

TEST_F(NewDevice, GoesStraightToVfioPastANativeDriverThatIsLoaded) { // case 42
    plug(late);
    const auto result = overrideNewDevice(kernel, rulesFor("\"8086:10d3\""), at(late));
    EXPECT_THAT(result.set, ElementsAre(Pair(at(late), "vfio-pci")));
    EXPECT_THAT(result.errors, IsEmpty());
    kernel.finishAdd(late);
    EXPECT_EQ(kernel.driverOf(late), "vfio-pci");
    EXPECT_EQ(kernel.driverOf(nic), "e1000e") << "its twin was on a driver before";
}

TEST_F(NewDevice, BringsTheFunctionsOfItsGroupThatNoRuleNames) { // case 1
    plug(late, "8086:10d4");
    plug("0000:02:00.2");
    const auto result = overrideNewDevice(kernel, rulesFor("\"02:00.2\""), at("0000:02:00.2"));
    EXPECT_THAT(result.set, ElementsAre(Pair(at("0000:02:00.2"), "vfio-pci"), Pair(at(late), "vfio-pci")));
}

TEST_F(NewDevice, IsTheNativeDriversUntilItsRuleIsAsked) {
    plug(late);
    const auto rules = rulesFor("\"8086:10d3\"", {}, {}, "when = \"asked\"");
    EXPECT_THAT(rules, IsEmpty());
    EXPECT_THAT(overrideNewDevice(kernel, rules, at(late)).set, IsEmpty());
}

TEST_F(NewDevice, LeavesWhatIsInUseOrSomebodyElses) { // case 28
    EXPECT_THAT(overrideNewDevice(kernel, rulesFor("\"8086:10d3\""), at(nic)).set, IsEmpty());
    plug(late);
    ASSERT_EQ(overrideTo(kernel, late, "none"), 0);
    EXPECT_THAT(overrideNewDevice(kernel, rulesFor("\"8086:10d3\""), at(late)).set, IsEmpty());
    EXPECT_EQ(kernel.overrideOf(late), "none");
}

TEST_F(NewDevice, IsPassedOverWhereTheGuardsHaveRefusedIt) { // case 6
    plug(late);
    plug("0000:02:00.2");
    const auto refused = *readDevice(kernel, at(late));
    const auto rules = rulesFor("\"8086:10d3\"", {}, {refused});
    EXPECT_THAT(overrideNewDevice(kernel, rules, at(late)).set, IsEmpty());
    EXPECT_THAT(overrideNewDevice(kernel, rules, at("0000:02:00.2")).set,
                ElementsAre(Pair(at("0000:02:00.2"), "vfio-pci")))
        << "nor does a sibling bring it along";
}

TEST_F(NewDevice, ThatWasTakenBeforeIsKnownByAddressAndIds) {
    plug(late);
    const std::vector<TakenDevice> taken{{*readDevice(kernel, at(late)), "pci-stub"}};
    EXPECT_THAT(overrideNewDevice(kernel, rulesFor("\"10de:1284\"", taken), at(late)).set,
                ElementsAre(Pair(at(late), "pci-stub")));
    kernel.unplug(late);
    plug(late, "8086:10d4"); // another card in the slot
    EXPECT_THAT(overrideNewDevice(kernel, rulesFor("\"10de:1284\"", taken), at(late)).set, IsEmpty());
}

TEST_F(NewDevice, IsLeftToTheDaemonWhereOneDeviceDoesNotTell) { // case 12
    plug(late);
    for (const auto* more : {"count = 1", "method = \"new-id\"", "sriov-vfs = 4"})
        EXPECT_THAT(rulesFor("\"8086:10d3\"", {}, {}, more), IsEmpty()) << more;
}

TEST_F(NewDevice, IsTakenWithAGroupOfWhichAllIsKnown) {
    plug(late);
    plug("0000:02:00.2", "8086:10d4");
    const auto rules = rulesFor("\"02:00.1\"", {}, {}, "members = [\"8086:10d4\"]");
    EXPECT_THAT(overrideNewDevice(kernel, rules, at(late)).set,
                ElementsAre(Pair(at(late), "vfio-pci"), Pair(at("0000:02:00.2"), "vfio-pci")));
}

TEST_F(NewDevice, IsNotTouchedWhereAMemberIsUnexpected) {
    plug(late);
    plug("0000:02:00.2", "8086:ffff");
    const auto rules = rulesFor("\"02:00.1\"", {}, {}, "members = [\"8086:10d4\"]");
    EXPECT_THAT(overrideNewDevice(kernel, rules, at(late)).set, IsEmpty());
    EXPECT_EQ(kernel.overrideOf(late), "");
}

// The kernel tells of a card's functions one by one, before it looks for a driver of the first.
TEST_F(NewDevice, WaitsNoLongerWhenAMemberComesThatIsNotKnown) {
    const auto rules = rulesFor("\"02:00.1\"", {}, {}, "members = [\"8086:10d4\"]");
    plug(late);
    EXPECT_THAT(overrideNewDevice(kernel, rules, at(late)).set, ElementsAre(Pair(at(late), "vfio-pci")));
    plug("0000:02:00.2", "8086:10d4");
    EXPECT_THAT(overrideNewDevice(kernel, rules, at("0000:02:00.2")).takenBack, IsEmpty()) << "it is known";
    ASSERT_EQ(overrideTo(kernel, "0000:02:00.2", "vfio-pci"), 0);
    plug("0000:02:00.3", "8086:ffff");
    const auto result = overrideNewDevice(kernel, rules, at("0000:02:00.3"));
    EXPECT_THAT(result.set, IsEmpty());
    EXPECT_THAT(result.takenBack, ElementsAre(at(late), at("0000:02:00.2")));
    EXPECT_EQ(kernel.overrideOf(late), "");
    EXPECT_EQ(kernel.overrideOf("0000:02:00.2"), "");
}

TEST_F(NewDevice, IsNotSetAgainByARuleThatFitsTheNewcomer) {
    auto rules = rulesFor("\"02:00.1\"", {}, {}, "members = [\"8086:10d4\"]");
    const auto others = rulesFor("\"8086:ffff\"");
    rules.insert(rules.end(), others.begin(), others.end());
    plug(late);
    ASSERT_THAT(overrideNewDevice(kernel, rules, at(late)).set, SizeIs(1));
    plug("0000:02:00.2", "8086:ffff");
    const auto result = overrideNewDevice(kernel, rules, at("0000:02:00.2"));
    EXPECT_THAT(result.set, IsEmpty());
    EXPECT_THAT(result.takenBack, ElementsAre(at(late)));
    EXPECT_EQ(kernel.overrideOf(late), "");
}

TEST_F(NewDevice, KeepsAnOverrideThatIsSomebodyElsesWhateverComes) {
    const auto rules = rulesFor("\"02:00.1\"", {}, {}, "members = [\"8086:10d4\"]");
    plug(late);
    ASSERT_EQ(overrideTo(kernel, late, "pci-stub"), 0);
    plug("0000:02:00.2", "8086:ffff");
    EXPECT_THAT(overrideNewDevice(kernel, rules, at("0000:02:00.2")).takenBack, IsEmpty());
    EXPECT_EQ(kernel.overrideOf(late), "pci-stub");
}

// Else udev or the watch would set them whatever else is in their group.
TEST(OverrideRulesOfPolicy, WhatARuleWithMembersKnowsOfIsNotListedByItself) {
    const auto card = *readDevice(machine(), at(gpu));
    const auto sound = *readDevice(machine(), at(audio));
    const std::vector<TakenDevice> taken{{card, "vfio-pci"}, {sound, "vfio-pci"}};
    const auto rules = rulesFor("\"10de:1284\"", taken, {}, "members = [\"10de:0e0f\"]");
    ASSERT_EQ(rules.size(), 1U);
    ASSERT_TRUE(rules[0].known);
    EXPECT_EQ(rules[0].known->size(), 2U);
}

TEST_F(NewDevice, AFailedWriteIsToldAndAVanishedDeviceIsNot) { // case 41
    plug(late);
    kernel.failAt(0, Fault::error(EIO));
    const auto failed = overrideNewDevice(kernel, rulesFor("\"8086:10d3\""), at(late));
    EXPECT_THAT(failed.set, IsEmpty());
    ASSERT_EQ(failed.errors.size(), 1U);
    EXPECT_EQ(failed.errors[0].str(),
              "write /sys/bus/pci/devices/0000:02:00.1/driver_override: EIO (Input/output error)");
    kernel.unplug(late);
    EXPECT_THAT(overrideNewDevice(kernel, rulesFor("\"8086:10d3\""), at(late)).errors, IsEmpty());
}

TEST(OverridesJson, ComesBackAsItWas) {
    const auto refused = *readDevice(machine(), at(nic));
    const auto rules = rulesFor("\"10de:1284\", \"::03xx\", \"path:0000:00/01.0/00.0\", "
                                "{ address = \"10000:e1:00.0\", id = \"8086:\", subsystem = \"8086:00a2\" }",
                                {}, {refused}, "driver = \"pci-stub\"");
    ASSERT_EQ(rules.size(), 5U);
    EXPECT_EQ(overridesFromJson(overridesToJson(rules)).value(), rules);
    EXPECT_EQ(overridesToJson({}), "");
    const auto known =
        rulesFor("{ serial = \"00-11-22-ff-fe-33-44-55\" }", {}, {}, "members = [\"10de:0e0f\"]");
    EXPECT_EQ(overridesFromJson(overridesToJson(known)).value(), known);
}

TEST(OverridesJson, RefusesWhatIsNone) {
    for (const auto* text : {"", "{", "[1]", "[{}]", R"([{"rule":"r","driver":"d","group-driver":""}])",
                             R"([{"rule":"r","driver":"d","group-driver":"","address":"../x"}])"})
        EXPECT_THAT(overridesFromJson(text).error(), testing::StartsWith("it cannot be read: ")) << text;
}

} // namespace
} // namespace vfiobind::override_rules_test
