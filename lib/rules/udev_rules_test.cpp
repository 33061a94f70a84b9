// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/udev_rules.h"

#include "rules_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::udev_rules_test {
namespace {

using namespace rulesmachine;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string plain(const Ids&) {
    return "vfio-pci";
}

std::string textOf(const Policy& policy, const std::vector<TakenDevice>& taken = {},
                   const std::vector<Device>& left = {}, const AutomaticDriver& automatic = plain) {
    return udevRules(overrideRules(policy, taken, left, automatic).rules);
}

std::string rulesFor(const std::string& toml) {
    return textOf(policyOf(toml));
}

TakenDevice taken(const Address& address, const std::string& driver) {
    return {*machine().find(address), driver};
}

TEST(UdevRules, SayNothingWithoutRules) {
    EXPECT_EQ(textOf({}), "");
}

TEST(UdevRules, LeaveWhatHasADriverOrAnOverrideAndEveryBridge) {
    const auto text = rulesFor(bind("\"10de:1284\""));
    EXPECT_THAT(text, HasSubstr("DRIVER==\"?*\", GOTO=\"vfio_bind_end\"\n"));
    EXPECT_THAT(text,
                HasSubstr("ATTR{driver_override}!=\"|(null)\", GOTO=\"vfio_bind_end\"\n")); // case 28, 29
    EXPECT_THAT(text, HasSubstr("ATTR{class}==\"0x0600??\", GOTO"));                        // case 4
    EXPECT_THAT(text, HasSubstr("TEST==\"secondary_bus_number\", GOTO"));                   // case 2
    EXPECT_TRUE(text.ends_with("LABEL=\"vfio_bind_end\"\n"));
}

struct Spelling {
    std::string selector;
    std::string line;
};
class UdevSelector : public testing::TestWithParam<Spelling> {};

TEST_P(UdevSelector, IsWrittenAsUdevMatchesIt) {
    EXPECT_THAT(rulesFor(bind(GetParam().selector)),
                HasSubstr("# rule r\n" + GetParam().line +
                          ", ATTR{driver_override}=\"vfio-pci\", GOTO=\"vfio_bind_end\"\n"));
}

INSTANTIATE_TEST_SUITE_P(
    Forms, UdevSelector,
    testing::Values(
        Spelling{"\"01:00.0\"", "KERNEL==\"0000:01:00.0\""},
        Spelling{"\"10000:e1:00.0\"", "KERNEL==\"10000:e1:00.0\""}, // case 53
        Spelling{"\"10DE:1284\"", "ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x1284\""},
        Spelling{"\"10de:\"", "ATTR{vendor}==\"0x10de\""},
        Spelling{"\"::0300\"", "ATTR{class}==\"0x0300??\""},
        Spelling{"\"::03xx\"", "ATTR{class}==\"0x03????\""},
        Spelling{"\":::02\"", "ATTR{class}==\"0x????02\""},
        Spelling{"\"10de::0300:00\"", "ATTR{vendor}==\"0x10de\", ATTR{class}==\"0x030000\""},
        Spelling{"\"path:0000:00/01.0/00.0\"",
                 "DEVPATH==\"*/pci0000:00/0000:??:01.0/0000:??:00.0\""}, // case 13
        Spelling{"{ address = \"01:00.0\", id = \"10de:1284\" }",        // case 11
                 "KERNEL==\"0000:01:00.0\", ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x1284\""},
        Spelling{"{ id = \"8086:1520\", subsystem = \"8086:00a2\" }",
                 "ATTR{vendor}==\"0x8086\", ATTR{device}==\"0x1520\", ATTR{subsystem_vendor}==\"0x8086\", "
                 "ATTR{subsystem_device}==\"0x00a2\""}));

TEST(UdevRules, ListTheMembersThatNoSelectorReaches) {
    // case 1: the rule names the display only
    const std::vector<TakenDevice> group{taken({0, 1, 0, 0}, "vfio-pci"), taken({0, 1, 0, 1}, "vfio-pci")};
    const auto text = textOf(policyOf(bind("\"10de:1284\"")), group);
    EXPECT_THAT(text,
                HasSubstr("KERNEL==\"0000:01:00.1\", ATTR{vendor}==\"0x10de\", ATTR{device}==\"0x0e0f\", "
                          "ATTR{driver_override}=\"vfio-pci\""));
    EXPECT_THAT(text, Not(HasSubstr("0000:01:00.0")));
    EXPECT_THAT(textOf(policyOf(bind("\"10de:1284\"", "count = 1")), group), HasSubstr("0000:01:00.0"));
}

TEST(UdevRules, PassOverARefusedDeviceBeforeAnySelector) {
    // case 6, 9: what the guards refuse is not taken by udev either
    const auto text = textOf(policyOf(bind("\"8086:10d3\"")), {}, {*machine().find({0, 2, 0, 0})});
    const auto leave =
        text.find("KERNEL==\"0000:02:00.0\", ATTR{vendor}==\"0x8086\", ATTR{device}==\"0x10d3\", GOTO=");
    ASSERT_NE(leave, std::string::npos);
    EXPECT_LT(leave, text.find("# rule r"));
}

TEST(UdevRules, LeaveToTheDaemonWhatOneDeviceAloneDoesNotTell) {
    EXPECT_EQ(rulesFor(bind("\"8086:10d3\"", "count = 1")), ""); // case 12
    EXPECT_EQ(rulesFor(bind("\"8086:10d3\"", "method = \"new-id\"")), "");
    EXPECT_EQ(rulesFor(bind("\"8086:10d3\"", "sriov-vfs = 4")), "");
}

TEST(UdevRules, NameTheVariantDriverOfAnIdAndTheRulesOwnDriver) {
    const auto variant = [](const Ids& ids) { return ids.device == 0x101e ? "mlx5_vfio_pci" : "vfio-pci"; };
    EXPECT_THAT(textOf(policyOf(bind("\"15b3:101e\", \"15b3:\"")), {}, {}, variant),
                testing::AllOf(HasSubstr("0x101e\", ATTR{driver_override}=\"mlx5_vfio_pci\""),
                               HasSubstr("0x15b3\", ATTR{driver_override}=\"vfio-pci\"")));
    EXPECT_THAT(rulesFor(bind("\"15b3:101e\"", "driver = \"pci-stub\"")),
                HasSubstr("ATTR{driver_override}=\"pci-stub\""));
}

TEST(UdevRules, RefuseWhatWouldBeReadAsARule) {
    Rule rule{
        .name = "x\", RUN+=\"/bin/sh", .devices = {*Selector::parse("10de:1284")}, .driver = "vfio-pci"};
    const auto named = overrideRules({.rules = {rule}}, {}, {}, plain);
    EXPECT_THAT(named.rules, testing::IsEmpty());
    ASSERT_EQ(named.leftOut.size(), 1U);
    EXPECT_THAT(named.leftOut[0], StartsWith("rule \"x\\\""));
    rule.name = "x";
    rule.driver = "a\nRUN+=b";
    EXPECT_EQ(overrideRules({.rules = {rule}}, {}, {}, plain).leftOut.size(), 1U);
    EXPECT_EQ(overrideRules({}, {taken({0, 2, 0, 0}, "$name")}, {}, plain).leftOut.size(), 1U);
}

TEST(UdevRules, LeaveOutWhatDependsOnTheWholeGroup) {
    EXPECT_EQ(rulesFor(bind("\"10de:1284\"", "members = [\"10de:0e0f\"]")), "");
}

TEST(UdevRules, ReadSerialNumbersBeforeTheyAreCompared) {
    const auto policy = policyOf(bind("{ serial = \"00-11-22-ff-fe-33-44-55\" }"));
    EXPECT_TRUE(namesSerials(policy));
    EXPECT_FALSE(namesSerials(policyOf(bind("\"10de:1284\""))));
    const auto text = udevRules(overrideRules(policy, {}, {}, plain).rules, true);
    const auto read = text.find("TEST!=\"serial_number\", IMPORT{program}=\"");
    const auto leave = text.find("DRIVER==\"?*\", GOTO");
    const auto compare = text.find("ENV{VFIO_BIND_SERIAL}==\"00-11-22-ff-fe-33-44-55\", "
                                   "ATTR{driver_override}=\"vfio-pci\"");
    EXPECT_LT(read, leave) << "also of a device that has a driver";
    EXPECT_LT(leave, compare);
    EXPECT_NE(compare, std::string::npos);
    EXPECT_THAT(text, HasSubstr("ACTION==\"remove\", SUBSYSTEM==\"pci\", RUN+=\""));
    // A rule that udev is not told of wants them all the same.
    EXPECT_THAT(udevRules({}, true), HasSubstr("IMPORT{program}"));
}

} // namespace
} // namespace vfiobind::udev_rules_test
