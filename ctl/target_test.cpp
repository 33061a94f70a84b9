// SPDX-License-Identifier: LGPL-2.1-or-later
#include "target.h"

#include "test_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::target_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<unsigned> groupsOf(const std::string& target) {
    const Snapshot snapshot = testSnapshot();
    const auto touched = resolveTarget(snapshot, target);
    std::vector<unsigned> result;
    if (!touched)
        ADD_FAILURE() << touched.error();
    else
        for (const GroupState* group : touched->groups)
            result.push_back(group->number);
    return result;
}

std::string errorOf(const std::string& target) {
    const Snapshot snapshot = testSnapshot();
    const auto touched = resolveTarget(snapshot, target);
    return touched ? "no error" : touched.error();
}

TEST(Target, EveryFormIsUnderstood) {
    EXPECT_THAT(groupsOf("0000:01:00.1"), ElementsAre(22U));
    EXPECT_THAT(groupsOf("01:00.1"), ElementsAre(22U));
    EXPECT_THAT(groupsOf("10000:e1:00.0"), ElementsAre(101U)); // case 53
    EXPECT_THAT(groupsOf("group/5"), ElementsAre(5U));
    EXPECT_THAT(groupsOf("guest-gpu"), ElementsAre(22U));
    EXPECT_THAT(groupsOf("8086:1533"), ElementsAre(5U));
    EXPECT_THAT(groupsOf("10de:"), ElementsAre(22U)); // both functions, one group
}

TEST(Target, WhatIsNotThereIsNamed) {
    EXPECT_THAT(errorOf("09:00.0"), HasSubstr("no device is at 09:00.0"));
    EXPECT_THAT(errorOf("1234:5678"), HasSubstr("no device is like 1234:5678"));
    EXPECT_THAT(errorOf("group/99"), HasSubstr("there is no IOMMU group 99"));
    EXPECT_THAT(errorOf("spare"), HasSubstr("the rule spare matches no device today (8086:10d3)")); // case 62
    EXPECT_THAT(errorOf("gpu"), HasSubstr("there is no rule named \"gpu\""));
}

TEST(Target, BadSpellingsAreExplained) { // case 52
    EXPECT_THAT(errorOf("group/x"), HasSubstr("decimal number"));
    EXPECT_THAT(errorOf("group/"), HasSubstr("decimal number"));
    EXPECT_THAT(errorOf("group/22x"), HasSubstr("decimal number"));
    EXPECT_THAT(errorOf("group/-1"), HasSubstr("decimal number"));
    EXPECT_THAT(errorOf("../../etc"), HasSubstr("a target is a PCI address"));
    EXPECT_THAT(errorOf("x\ny"), testing::Not(HasSubstr("\n")));
    EXPECT_NE(errorOf("zz:00.0"), "no error");
}

TEST(Target, DevicesWithoutAGroupAreFound) { // case 21
    Snapshot snapshot = testSnapshot();
    addDevice(snapshot, "0000:07:00.0", 9, 0x1af4, 0x1041, "", "NIC").group = "/";
    snapshot.groups.erase("/org/vfiobind1/group/9");
    const auto touched = resolveTarget(snapshot, "07:00.0");
    ASSERT_TRUE(touched);
    EXPECT_TRUE(touched->groups.empty());
    ASSERT_EQ(touched->groupless.size(), 1U);
    EXPECT_EQ(touched->groupless[0]->address, "0000:07:00.0");
}

TEST(Target, TableSelectorsAreNotGuessedAt) {
    const Snapshot snapshot = testSnapshot();
    const RuleMatches matches =
        matchesOf(snapshot, {"x", "auto", {"{ address = \"0000:01:00.0\", id = \"10de:\" }"}});
    EXPECT_FALSE(matches.certain);
    EXPECT_TRUE(matches.devices.empty());
}

TEST(Target, CompletionsAreAllTargets) {
    std::vector<std::string> words;
    for (const Completion& completion : completions(testSnapshot()))
        words.push_back(completion.word);
    EXPECT_THAT(words, ElementsAre("guest-gpu", "spare", "0000:03:00.0", "group/5", "0000:01:00.0",
                                   "0000:01:00.1", "group/22", "10000:e1:00.0", "group/101"));
}

TEST(Target, WhatNothingCanBeCalledIsMalformed) {
    for (const auto* target : {"26:00", "group/x", "group/", "10de:12845"})
        EXPECT_TRUE(isMalformedTarget(target)) << target;
    for (const auto* target : {"26:00.0", "group/22", "10de:1284", "guest-gpu"})
        EXPECT_FALSE(isMalformedTarget(target)) << target;
}

} // namespace
} // namespace vfiobind::ctl::target_test
