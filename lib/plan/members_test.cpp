// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/members.h"

#include "config/config.h"
#include "fake/machine.h"
#include "plan/plan.h"
#include "plan/policy_index.h"

namespace vfiobind::members_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Policy policyOf(const std::string& more) {
    auto parsed = parsePolicy({{"a.toml", "[[bind]]\nname = \"card\"\ndevices = [\"10de:1284\"]\n" + more}});
    if (!parsed)
        throw std::runtime_error(str(parsed.error()));
    return *parsed;
}

/// A NIC behind the graphics card's port, in its group.
FakeKernel crowded() {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:01:01.0", .ids = "8086:10d3", .classCode = 0x020000, .group = 1});
    return kernel;
}

Blockers blockersOf(const FakeKernel& kernel, const std::string& more) {
    return resolve(policyOf(more), Topology::read(kernel).value()).groups.at(1).blockers;
}

TEST(Members, WhoeverIsInTheGroupIsTakenWithoutTheKey) {
    EXPECT_THAT(blockersOf(crowded(), ""), IsEmpty());
}

TEST(Members, TheNewcomerAndTheBridgeThatJoinsThemAreNamed) {
    const auto blockers = blockersOf(crowded(), "members = [\"10de:0e0f\"]\n");
    ASSERT_THAT(blockers, SizeIs(1));
    EXPECT_EQ(blockers[0].code, "unexpected-member");
    EXPECT_EQ(blockers[0].device, Address::parse("0000:01:01.0").value());
    EXPECT_EQ(blockers[0].sentence,
              "0000:01:01.0 (8086:10d3) is in group 1 too, and rule card names it neither in devices nor in "
              "members: the bridge 0000:00:01.0 joins it with 0000:01:00.0; add it to members if it may be "
              "handed over with the group");
}

TEST(Members, AnEmptyListKnowsOfDevicesOnly) {
    const auto blockers = blockersOf(machine(), "members = []\n");
    ASSERT_THAT(blockers, SizeIs(1));
    EXPECT_EQ(blockers[0].device, Address::parse(audio).value());
}

TEST(Members, OneThatIsNotThereTodayIsNoError) {
    EXPECT_THAT(blockersOf(machine(), "members = [\"10de:0e0f\", \"8086:10d3\", \"1234:\"]\n"), IsEmpty());
}

TEST(Members, ANewcomerOnTheRootBusIsNamedToo) {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:00:1f.0", .ids = "8086:a000", .classCode = 0x078000, .group = 1});
    const auto blockers = blockersOf(kernel, "members = [\"10de:0e0f\"]\n");
    ASSERT_THAT(blockers, SizeIs(1));
    EXPECT_THAT(blockers[0].sentence, HasSubstr("it is on the root bus with 0000:01:00.0"));
}

TEST(Members, ANewcomerBlocksTheWholeGroupUnlessTheCallAllowsIt) {
    const auto topology = Topology::read(crowded()).value();
    auto wanted = resolve(policyOf("members = [\"10de:0e0f\"]\n"), topology).groups.at(1);
    const Drivers drivers{.registered = {"vfio-pci"}};
    EXPECT_TRUE(planGroup(1, wanted, topology, drivers).blocked());
    wanted.allow.emplace_back("unexpected-member");
    EXPECT_FALSE(planGroup(1, wanted, topology, drivers).blocked());
}

// The daemon resolves its rules anew only then.
TEST(Members, WhoeverJoinsTheGroupConcernsTheRule) {
    const auto topology = Topology::read(crowded()).value();
    const auto& newcomer = *topology.find(Address::parse("0000:01:01.0").value());
    EXPECT_TRUE(PolicyIndex(policyOf("members = [\"10de:0e0f\"]\n")).concerns(topology, newcomer));
    EXPECT_FALSE(PolicyIndex(policyOf("")).concerns(topology, newcomer));
    const auto& elsewhere = *topology.find(Address::parse(nic).value());
    EXPECT_FALSE(PolicyIndex(policyOf("members = [\"10de:0e0f\"]\n")).concerns(topology, elsewhere));
}

} // namespace
} // namespace vfiobind::members_test
