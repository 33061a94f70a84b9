// SPDX-License-Identifier: LGPL-2.1-or-later
#include "target.h"

#include "test_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::target_test {
namespace {

using testing::ElementsAre;

std::vector<unsigned> numbersOf(const Touched& touched) {
    std::vector<unsigned> result;
    for (const GroupState* group : touched.groups)
        result.push_back(group->number);
    return result;
}

TEST(Target, TouchesTheGroupsThatWereResolvedInOrder) {
    const Snapshot snapshot = testSnapshot();
    const auto touched = touchedBy(snapshot, {{"/org/vfiobind1/group/22", "/org/vfiobind1/group/5"},
                                              {"/org/vfiobind1/device/0000_01_00_0"}});
    EXPECT_THAT(numbersOf(touched), ElementsAre(5U, 22U));
    EXPECT_TRUE(touched.groupless.empty());
}

TEST(Target, WhatWentSinceIsLeftOut) {
    const Snapshot snapshot = testSnapshot();
    const auto touched =
        touchedBy(snapshot, {{"/org/vfiobind1/group/99"}, {"/org/vfiobind1/device/0000_09_00_0"}});
    EXPECT_TRUE(touched.groups.empty());
    EXPECT_TRUE(touched.groupless.empty());
}

TEST(Target, DevicesWithoutAGroupAreFound) { // case 21
    Snapshot snapshot = testSnapshot();
    addDevice(snapshot, "0000:07:00.0", 9, 0x1af4, 0x1041, "", "NIC").group = "/";
    snapshot.groups.erase("/org/vfiobind1/group/9");
    const auto touched = touchedBy(snapshot, {{}, {"/org/vfiobind1/device/0000_07_00_0"}});
    EXPECT_TRUE(touched.groups.empty());
    ASSERT_EQ(touched.groupless.size(), 1U);
    EXPECT_EQ(touched.groupless[0]->address, "0000:07:00.0");
    EXPECT_EQ(everything(snapshot).groupless, touched.groupless);
}

TEST(Target, RulesWithoutAGroupAreThoseThatNoneBears) {
    const auto rules = testSnapshot().rulesWithoutGroup();
    ASSERT_EQ(rules.size(), 1U);
    EXPECT_EQ(rules[0].name, "spare");
}

TEST(Target, CompletionsAreAllTargets) {
    std::vector<std::string> words;
    for (const Completion& completion : completions(testSnapshot()))
        words.push_back(completion.word);
    EXPECT_THAT(words, ElementsAre("guest-gpu", "spare", "0000:03:00.0", "group/5", "0000:01:00.0",
                                   "0000:01:00.1", "group/22", "10000:e1:00.0", "group/101"));
}

} // namespace
} // namespace vfiobind::ctl::target_test
