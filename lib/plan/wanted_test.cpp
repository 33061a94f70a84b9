// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/wanted.h"

#include "plan/policy_index.h"
#include "plan/target.h"

#include "fake/machine.h"

#include <algorithm>

namespace vfiobind::wanted_test {
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

TEST(Resolve, WhatIsBoundWhenAskedIsKeptApartWithItsOptions) {
    const auto found = resolve(policy(std::string(card) + R"(when = "asked"
driver = "vfio-pci"
allow = ["mounted"]
node = { group = "kvm" }
give-back = "never"
pause-units = ["display-manager.service"]
timeout = "5s"
)"),
                               topology());
    EXPECT_THAT(found.groups, IsEmpty());
    EXPECT_THAT(found.waiting, IsEmpty());
    ASSERT_EQ(found.asked.size(), 1U);
    const auto& wanted = found.asked.at(1);
    EXPECT_EQ(found.ofRule(1), &wanted);
    EXPECT_EQ(found.ofRule(2), nullptr);
    EXPECT_EQ(wanted.rule, "card");
    EXPECT_EQ(wanted.driver, "vfio-pci");
    EXPECT_THAT(wanted.allow, ElementsAre("mounted"));
    EXPECT_EQ(wanted.node.group, "kvm");
    EXPECT_EQ(wanted.giveBack, GiveBack::never);
    EXPECT_THAT(wanted.pauseUnits, ElementsAre("display-manager.service"));
    EXPECT_EQ(wanted.timeout, std::chrono::seconds(5));
}

TEST(Resolve, CountHoldsForARuleThatIsAskedToo) {
    const auto found = resolve(policy(std::string(card) + "when = \"asked\"\ncount = 2\n"), topology());
    EXPECT_THAT(codes(found.asked.at(1).blockers), ElementsAre("ambiguous"));
}

constexpr auto alwaysAndAsked = R"([[bind]]
name = "later"
devices = ["0000:01:00.1"]
when = "asked"
[[bind]]
name = "now"
devices = ["0000:01:00.0"]
)";

// Only hotplug can bring this about: the reading of the configuration refuses it.
TEST(Resolve, AGroupThatIsWantedAlwaysAndWhenAskedIsNobodys) {
    const auto found = resolve(policy(alwaysAndAsked), topology());
    EXPECT_THAT(found.asked, IsEmpty());
    ASSERT_THAT(codes(found.groups.at(1).blockers), ElementsAre("ambiguous"));
    EXPECT_THAT(
        found.groups.at(1).blockers[0].sentence,
        HasSubstr("by rule now, which binds it always, and by rule later, which binds it when asked"));
}

TEST(Resolve, ADeviceConcernsTheRulesThatNameItOrItsSlot) {
    const auto machine = topology();
    const auto& device = *machine.find(Address::parse("0000:01:00.0").value());
    const auto by = [&](const std::string& selector) {
        return PolicyIndex(policy("[[bind]]\nname = \"x\"\ndevices = [" + selector + "]\n"))
            .concerns(machine, device);
    };
    EXPECT_TRUE(by("\"10de:1284\""));
    EXPECT_TRUE(by("\"0000:01:00.0\""));
    EXPECT_TRUE(by("{ address = \"0000:01:00.0\", id = \"10de:ffff\" }"));
    EXPECT_FALSE(by("\"10de:ffff\""));
    EXPECT_FALSE(by("\"0000:01:00.1\""));
    EXPECT_FALSE(PolicyIndex(Policy{}).concerns(machine, device));
}

/// The machine with a network card that has virtual functions, then with what the test does to it.
Topology changed(const std::function<void(FakeKernel&)>& change) {
    auto kernel = machine();
    kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
    kernel.addDevice({.address = "0000:02:01.0",
                      .ids = "8086:10c9",
                      .classCode = 0x020000,
                      .group = 91,
                      .driver = "igb",
                      .totalVfs = 7,
                      .vfIds = "8086:10ca"});
    kernel.addDevice({.address = "0000:02:02.0", .ids = "8086:1533", .classCode = 0x020000});
    EXPECT_TRUE(kernel.writeAsOther(devices + "0000:02:01.0/sriov_numvfs", "2"));
    change(kernel);
    return Topology::read(kernel).value();
}

bool concerned(const Policy& rules, const Topology& before, const Topology& now, const Address& address) {
    const auto* old = before.find(address);
    const auto* fresh = now.find(address);
    if (old != nullptr && fresh != nullptr && sameToRules(*old, *fresh))
        return false;
    return (old != nullptr && PolicyIndex(rules).concerns(now, *old)) ||
           (fresh != nullptr && PolicyIndex(rules).concerns(now, *fresh));
}

// The daemon resolves its rules anew only then.
TEST(Resolve, WhatConcernsNoRuleChangesNothing) {
    const auto as = [](const std::string& keys) { return policy("[[bind]]\nname = \"x\"\n" + keys + '\n'); };
    const std::vector rules{as("devices = [\"10de:1284\"]"),
                            as("devices = [\"0000:02:00.0\"]"),
                            as("devices = [{ address = \"0000:02:00.0\", id = \"8086:10d3\" }]"),
                            as("devices = [\"8086:\"]\ncount = 3"),
                            as("devices = [\"8086:10c9\"]\nsriov-vfs = 2"),
                            as("devices = [\"path:0000:00/02.0/01.0\"]\nsriov-vfs = 2"),
                            as("devices = [\"8086:10ca\"]"),
                            as("devices = [\"8086:1533\"]"),
                            as("devices = [\"0000:00:02.0\", \"10de:0e0f\"]")};
    const auto replaced = [](FakeKernel& kernel) {
        kernel.unplug(nic);
        kernel.addDevice({.address = nic, .ids = "8086:10c9", .classCode = 0x020000, .group = 3});
    };
    const auto regrouped = [](FakeKernel& kernel) {
        kernel.unplug(audio);
        kernel.addDevice({.address = audio, .ids = "10de:0e0f", .classCode = 0x040300, .group = 44});
    };
    const std::vector<std::function<void(FakeKernel&)>> changes{
        [](FakeKernel& kernel) { kernel.unplug(gpu); },
        [](FakeKernel& kernel) { kernel.unplug(audio); },
        [](FakeKernel& kernel) { kernel.unplug(nic); },
        [](FakeKernel& kernel) { kernel.unplug("0000:02:01.0"); },
        [](FakeKernel& kernel) { kernel.unplug("0000:02:02.0"); },
        [](FakeKernel& kernel) {
            ASSERT_TRUE(kernel.writeAsOther(devices + "0000:02:01.0/sriov_numvfs", "0"));
        },
        [](FakeKernel& kernel) { ASSERT_EQ(unbindIt(kernel, gpu), 0); },
        replaced,
        regrouped};
    const auto before = changed([](FakeKernel&) {});
    unsigned different = 0;
    unsigned spared = 0;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        const auto now = changed(changes[i]);
        for (std::size_t r = 0; r < rules.size(); ++r) {
            std::set<Address> all;
            for (const auto* topology : {&before, &now})
                for (const auto& [address, device] : topology->devices())
                    all.insert(address);
            const bool any = std::ranges::any_of(
                all, [&](const Address& address) { return concerned(rules[r], before, now, address); });
            const bool same = resolve(rules[r], before) == resolve(rules[r], now);
            EXPECT_TRUE(any || same) << "change " << i << ", rule " << r;
            different += same ? 0 : 1;
            spared += any ? 0 : 1;
        }
    }
    EXPECT_GT(different, 10U);
    EXPECT_GT(spared, 10U);
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

TEST(Contradictions, AlwaysAndAskedForOneGroupAreNamed) {
    const auto errors = contradictions(policy(alwaysAndAsked), topology());
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_THAT(errors[0].str(),
                HasSubstr("rule now and rule later (a.toml:1:1) both claim IOMMU group 1, one "
                          "always and one when asked"));
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

TEST(FindTarget, NamesBridgesTooAndAllMembersOfAGroup) {
    const auto bridge = findTarget("00:01.0", {}, topology());
    ASSERT_TRUE(bridge) << bridge.error().sentence;
    EXPECT_THAT(bridge->devices, ElementsAre(Address{0, 0, 1, 0}));
    const auto rule = findTarget("card", policy(card), topology());
    ASSERT_TRUE(rule) << rule.error().sentence;
    EXPECT_THAT(rule->groups, ElementsAre(1U));
    const auto group = findTarget("group/1", {}, topology());
    ASSERT_TRUE(group) << group.error().sentence;
    EXPECT_EQ(group->devices, topology().findGroup(1)->members);
}

TEST(ResolveTarget, ABridgeIsRefusedWithWhatIsBehindIt) {
    const auto target = resolveTarget("00:01.0", {}, topology());
    ASSERT_FALSE(target);
    EXPECT_EQ(target.error().kind, TargetError::Kind::invalidArgument);
    EXPECT_THAT(target.error().sentence, HasSubstr("name a device behind it instead: 0000:01:00.0"));
}

} // namespace
} // namespace vfiobind::wanted_test
