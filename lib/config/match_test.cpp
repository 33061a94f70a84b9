// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::match_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const HostFacts node{.host = "node7",
                     .machineId = "0123456789abcdef0123456789abcdef",
                     .board = "X570 AORUS",
                     .product = "Virtual Machine",
                     .virtualization = "kvm",
                     .commandLine = {"quiet", "vfio.mode=lab"}};

constexpr auto rule = "[[bind]]\nname = 'a'\ndevices = ['10de:']\n";

Policy policyFor(const std::string& match, const HostFacts& facts = node) {
    auto policy = parsePolicy({{"f.toml", "[match]\n" + match + "\n" + rule}}, facts);
    if (!policy)
        throw std::runtime_error(str(policy.error()));
    return std::move(*policy);
}

TEST(Match, HoldsWhereAllOfItsKeysDo) {
    for (const auto* match :
         {"", "host = 'node7'", "host = 'node[0-9]'", "host = ['gpu*', 'node*']", "board = 'X570*'",
          "machine-id = '0123*'", "product = '*Machine'", "virtualization = ['none', 'kvm']",
          "kernel-command-line = 'vfio.mode=*'", "host = 'node7'\nkernel-command-line = ['x', 'quiet']"}) {
        const auto policy = policyFor(match);
        EXPECT_THAT(policy.rules, SizeIs(1)) << match;
        EXPECT_THAT(policy.files, ElementsAre("f.toml"));
        EXPECT_THAT(policy.unmatched, IsEmpty());
    }
}

TEST(Match, OneThatDoesNotHoldMakesTheFileAbsentAndSaysWhy) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"host = 'gpu*'", "it is for host \"gpu*\", and this is \"node7\""},
        {"host = ['gpu*', 'Node7']", "it is for host \"gpu*\" or \"Node7\", and this is \"node7\""},
        {"host = 'node7'\nvirtualization = 'none'", "it is for virtualization \"none\", and this is \"kvm\""},
        {"kernel-command-line = 'vfio.mode'", "it is for a kernel command line with \"vfio.mode\""},
    };
    for (const auto& [match, why] : table) {
        const auto policy = policyFor(match);
        EXPECT_THAT(policy.rules, IsEmpty()) << match;
        EXPECT_THAT(policy.files, IsEmpty());
        EXPECT_THAT(policy.unmatched, ElementsAre(UnmatchedFile{"f.toml", why}));
    }
}

TEST(Match, WhatIsNotKnownDoesNotHold) {
    const auto policy = policyFor("host = '*'", {});
    EXPECT_THAT(policy.unmatched,
                ElementsAre(UnmatchedFile{"f.toml", "it is for host \"*\", which is not known here"}));
}

TEST(Match, AFileForAnotherMachineHasNoErrors) {
    const auto policy = parsePolicy({{"f.toml", "[match]\nhost = 'x'\n[[bind]]\nnaem = 1\n"}}, node);
    ASSERT_TRUE(policy);
    EXPECT_THAT(policy->unmatched, SizeIs(1));
}

TEST(Match, EveryFileCanBeLookedAt) {
    const auto policy = policyFor("host = 'gpu*'", {.anyMachine = true});
    EXPECT_THAT(policy.rules, SizeIs(1));
}

TEST(Match, MistakesAreErrorsWhereverTheFileIsFor) {
    const std::vector<std::pair<std::string, std::string>> table{
        {"hots = 'a'", "2:1: unknown key \"hots\" in [match]: did you mean \"host\"?"},
        {"host = 7",
         "2:8: host must be a string or a list of strings, as in host = \"a*\", not a whole number"},
        {"host = [7]",
         "2:9: what host lists must be a string, as in host = [\"a*\", \"b\"], not a whole number"},
        {"host = []", "2:8: host names nothing: write a glob, as in host = \"a*\", or leave the key out"},
        {"board = ''", "2:9: board names nothing: write a glob, as in board = \"a*\", or leave the key out"},
    };
    for (const auto& [match, error] : table) {
        const auto policy = parsePolicy({{"f.toml", "[match]\n" + match + "\n"}}, node);
        ASSERT_FALSE(policy) << match;
        EXPECT_EQ(str(policy.error()), "f.toml:" + error);
    }
}

TEST(StandingBack, LeavesNoRuleInForceAndAllReadable) {
    auto facts = node;
    facts.commandLine.emplace_back("vfio_bind=off");
    const std::string text =
        "[daemon]\nlog-level = 'debug'\n[vfio-pci]\ndisable-vga = true\n" + std::string(rule);
    const auto policy = parsePolicy({{"f.toml", text}}, facts);
    ASSERT_TRUE(policy);
    EXPECT_EQ(policy->standsBack, "vfio_bind=off");
    EXPECT_THAT(policy->rules, IsEmpty());
    EXPECT_EQ(policy->modules, ModuleOptions{});
    EXPECT_EQ(policy->logLevel, "debug");
    EXPECT_THAT(policy->files, ElementsAre("f.toml"));
    EXPECT_FALSE(parsePolicy({{"f.toml", "x = 1"}}, facts)) << "errors are errors all the same";
}

} // namespace
} // namespace vfiobind::match_test
