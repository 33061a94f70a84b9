// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/wanted.h"

#include "fake/machine.h"

namespace vfiobind {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Policy policy(const std::string& text) {
    auto parsed = parsePolicy({{"a.toml", text}});
    if (!parsed)
        throw std::runtime_error(str(parsed.error()));
    return *parsed;
}

Topology topology() {
    return Topology::read(machine()).value();
}

std::vector<std::string> codes(const Blockers& blockers) {
    std::vector<std::string> list;
    for (const auto& blocker : blockers)
        list.push_back(blocker.code);
    return list;
}

constexpr auto card = R"([[bind]]
name = "card"
devices = ["10de:1284"]
)";

TEST(Resolve, ARuleWantsTheWholeGroup) {
    const auto found = resolve(policy(card), topology());
    ASSERT_EQ(found.groups.size(), 1U);
    EXPECT_EQ(found.groups.at(1).rule, "card");
    EXPECT_EQ(found.groups.at(1).by, "rule card");
    EXPECT_THAT(found.groups.at(1).blockers, IsEmpty());
    EXPECT_THAT(found.waiting, IsEmpty());
}

// case 62
TEST(Resolve, ARuleThatMatchesNothingWaits) {
    const auto found = resolve(policy("[[bind]]\nname = \"later\"\ndevices = [\"1234:5678\"]\n"), topology());
    EXPECT_THAT(found.groups, IsEmpty());
    EXPECT_THAT(found.waiting, ElementsAre("later"));
}

// case 11
TEST(Resolve, AnotherCardInTheSlotIsAMismatch) {
    const auto found = resolve(
        policy("[[bind]]\nname = \"x\"\ndevices = [{ address = \"0000:01:00.0\", id = \"10de:ffff\" }]\n"),
        topology());
    EXPECT_THAT(codes(found.groups.at(1).blockers), ElementsAre("id-mismatch"));
    EXPECT_THAT(found.groups.at(1).blockers[0].sentence, HasSubstr("0000:01:00.0 is 10de:1284"));
}

// case 12
TEST(Resolve, CountThatDoesNotFitIsAmbiguous) {
    const auto found =
        resolve(policy("[[bind]]\nname = \"x\"\ndevices = [\"10de:\"]\ncount = 1\n"), topology());
    EXPECT_THAT(codes(found.groups.at(1).blockers), testing::Each("ambiguous"));
    EXPECT_THAT(found.groups.at(1).blockers[0].sentence, HasSubstr("expects 1 device(s) and 2 match"));
}

// cases 21, 22
TEST(Resolve, ADeviceWithoutAGroupIsTold) {
    FakeKernel kernel;
    kernel.addDevice({.address = "0000:00:02.0", .ids = "10de:1284", .classCode = 0x030000});
    const auto found = resolve(policy(card), Topology::read(kernel).value());
    EXPECT_THAT(found.groups, IsEmpty());
    ASSERT_THAT(codes(found.ungrouped), ElementsAre("no-iommu"));
    EXPECT_THAT(found.ungrouped[0].sentence, HasSubstr("intel_iommu=on"));
}

// case 61
TEST(Contradictions, TwoRulesForOneDeviceAreNamed) {
    const auto errors = contradictions(policy(R"([[bind]]
name = "one"
devices = ["0000:01:00.0"]
[[bind]]
name = "two"
devices = ["10de:1284"]
)"),
                                       topology());
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(
        errors[0].str(),
        "a.toml:4:1: rule two and rule one (a.toml:1:1) both match 0000:01:00.0; let one of them name it");
}

TEST(Contradictions, TwoDriversForOneGroupAreNamed) {
    const auto errors = contradictions(policy(R"([[bind]]
name = "one"
devices = ["0000:01:00.0"]
driver = "vfio-pci"
[[bind]]
name = "two"
devices = ["0000:01:00.1"]
driver = "pci-stub"
)"),
                                       topology());
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_THAT(errors[0].what,
                HasSubstr("both claim IOMMU group 1, with the drivers pci-stub and vfio-pci"));
}

// case 65
TEST(Contradictions, ARuleThatNamesOnlyABridgeIsToldWhatToName) {
    const auto errors =
        contradictions(policy("[[bind]]\nname = \"x\"\ndevices = [\"0000:00:01.0\"]\n"), topology());
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_THAT(errors[0].what, HasSubstr("names only bridges (0000:00:01.0)"));
    EXPECT_THAT(errors[0].what, HasSubstr("behind it instead: 0000:01:00.0, 0000:01:00.1"));
}

TEST(Contradictions, AgreeingRulesAreNone) {
    EXPECT_THAT(contradictions(policy(card), topology()), IsEmpty());
}

TEST(ResolveTarget, EveryForm) {
    const auto rules = policy(card);
    const auto machine = topology();
    for (const auto* text :
         {"0000:01:00.1", "01:00.0", "card", "10de:1284", "10de:", "group/1", "path:0000:00/01.0/00.0"}) {
        const auto target = resolveTarget(text, rules, machine);
        ASSERT_TRUE(target) << text << ": " << target.error().sentence;
        EXPECT_THAT(target->groups, ElementsAre(1U)) << text;
    }
}

// case 52
TEST(ResolveTarget, WhatIsNotThereOrNoTarget) {
    using Kind = TargetError::Kind;
    const std::vector<std::pair<std::string, Kind>> table{
        {"0000:0f:00.0", Kind::noSuchDevice},
        {"ffff:ffff", Kind::noSuchDevice},
        {"group/99", Kind::noSuchGroup},
        {"group/", Kind::invalidArgument},
        {"group/x", Kind::invalidArgument},
        {"group/99999999999999999999", Kind::invalidArgument},
        {"nobody", Kind::noSuchRule},
        {"", Kind::invalidArgument},
        {"../../etc", Kind::invalidArgument},
        {"0000:01:00.0\n", Kind::invalidArgument},
        {std::string("0000:01:00.0\0x", 14), Kind::invalidArgument},
        {"0000:01:20.0", Kind::invalidArgument},
    };
    for (const auto& [text, kind] : table) {
        const auto target = resolveTarget(text, policy(card), topology());
        ASSERT_FALSE(target) << text;
        EXPECT_EQ(target.error().kind, kind) << text << ": " << target.error().sentence;
        EXPECT_FALSE(target.error().sentence.empty()) << text;
    }
}

TEST(ResolveTarget, ABridgeIsRefusedWithWhatIsBehindIt) {
    const auto target = resolveTarget("00:01.0", {}, topology());
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().kind, TargetError::Kind::invalidArgument);
    EXPECT_THAT(target.error().sentence, HasSubstr("name a device behind it instead: 0000:01:00.0"));
}

} // namespace
} // namespace vfiobind
