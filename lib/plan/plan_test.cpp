// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/plan.h"

#include "fake/machine.h"

namespace vfiobind::plan_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::IsEmpty;

Topology read(const FakeKernel& kernel) {
    return Topology::read(kernel).value();
}

std::vector<std::string> codes(const Blockers& blockers) {
    std::vector<std::string> list;
    for (const auto& blocker : blockers)
        list.push_back(blocker.code);
    return list;
}

GroupPlan planned(const FakeKernel& kernel, const Wanted& wanted, unsigned group = 1,
                  const Blockers& found = {}) {
    return planGroup(group, wanted, read(kernel), readDrivers(kernel).value(), found);
}

// case 1
TEST(Plan, BindsEveryEndpointOfTheGroup) {
    const auto plan = planned(machine(), {.by = "rule card"});
    EXPECT_EQ(plan.str(), R"(group 1: bind (rule card)
  override 0000:01:00.0 vfio-pci
  override 0000:01:00.1 vfio-pci
  unbind 0000:01:00.0 nouveau
  unbind 0000:01:00.1 snd_hda_intel
  bind 0000:01:00.0 vfio-pci
  bind 0000:01:00.1 vfio-pci
  verify 0000:01:00.0 vfio-pci
  verify 0000:01:00.1 vfio-pci
)");
}

// case 16
TEST(Plan, WhatIsBoundIsLeftAlone) {
    auto kernel = machine();
    toVfio(kernel, gpu);
    const auto half = planned(kernel, {});
    ASSERT_EQ(half.members.size(), 1U);
    EXPECT_EQ(half.members[0].device.str(), audio);
    toVfio(kernel, audio);
    EXPECT_TRUE(planned(kernel, {}).nothingToDo());
    EXPECT_FALSE(planned(kernel, {}).blocked());
}

/// By the kernel's numbers: its name says nothing.
TEST(Plan, AVfioDriverOfAnyNameIsAcceptedAndGivenBack) {
    FakeKernel kernel = machine();
    kernel.addDriver({.name = "cardpass", .module = "cardpass", .managedDma = true, .vfio = true});
    ASSERT_EQ(overrideTo(kernel, nic, "cardpass"), 0);
    ASSERT_EQ(unbindIt(kernel, nic), 0);
    ASSERT_EQ(bindTo(kernel, "cardpass", nic), 0);
    EXPECT_TRUE(planned(kernel, {}, 3).nothingToDo());
    auto topology = read(kernel);
    topology.setOverride(Address::parse(nic).value(), {.known = true, .value = "cardpass"});
    const auto other = planGroup(3, {.driver = "vfio-pci"}, topology, readDrivers(kernel).value());
    EXPECT_THAT(other.blockers, IsEmpty()); // foreign-driver-override is of what is not VFIO's
    EXPECT_EQ(other.members.at(0).from, "cardpass");
    EXPECT_EQ(planGroup(3, {.action = Action::release}, topology, readDrivers(kernel).value()).str(),
              R"(group 3: release ()
  override 0000:02:00.0 (clear)
  unbind 0000:02:00.0 cardpass
  probe 0000:02:00.0
  verify 0000:02:00.0 native driver
)");
}

// case 18
TEST(Plan, DriverNamesResolveInEitherSpelling) {
    Drivers drivers;
    drivers.registered = {"vfio-pci", "mlx5_vfio_pci"};
    EXPECT_EQ(drivers.resolve("vfio_pci"), "vfio-pci");
    EXPECT_EQ(drivers.resolve("mlx5-vfio-pci"), "mlx5_vfio_pci");
    EXPECT_EQ(drivers.resolve("nowhere"), "nowhere");
}

// case 17
TEST(Plan, AutoAcceptsAVariantAndPrefersTheBest) {
    auto topology = read(machine());
    auto drivers = readDrivers(machine()).value();
    drivers.registered.insert("mlx5_vfio_pci");
    drivers.automatic[*Address::parse(nic)] = "mlx5_vfio_pci";
    EXPECT_EQ(planGroup(3, {}, topology, drivers).members.at(0).to, "mlx5_vfio_pci");

    auto kernel = machine();
    toVfio(kernel, nic);
    EXPECT_TRUE(planGroup(3, {}, read(kernel), drivers).nothingToDo());
    EXPECT_EQ(planGroup(3, {.driver = "mlx5_vfio_pci"}, read(kernel), drivers).members.at(0).from,
              "vfio-pci");
}

// case 5
TEST(Plan, AHostBridgeWithADriverMakesTheGroupNotViable) {
    auto kernel = machine();
    kernel.addDriver({.name = "ie31200_edac", .module = "ie31200_edac", .ids = {"8086:0c00"}});
    kernel.addDevice({.address = "0000:00:00.0",
                      .ids = "8086:0c00",
                      .classCode = 0x060000,
                      .group = 1,
                      .driver = "ie31200_edac"});
    const auto plan = planned(kernel, {});
    ASSERT_THAT(codes(plan.blockers), ElementsAre("not-viable"));
    EXPECT_THAT(plan.blockers[0].sentence,
                testing::HasSubstr("0000:00:00.0 of the same IOMMU group 1 is used by ie31200_edac"));
}

// case 28
TEST(Plan, AForeignOverrideIsRespected) {
    const auto kernel = machine();
    auto topology = read(kernel);
    const auto drivers = readDrivers(kernel).value();
    topology.setOverride(*Address::parse(gpu), {.known = true, .value = "none"});
    EXPECT_THAT(codes(planGroup(1, {}, topology, drivers).blockers), ElementsAre("foreign-driver-override"));
    const auto allowed = planGroup(1, {.allow = {"foreign-driver-override"}}, topology, drivers);
    EXPECT_THAT(allowed.blockers, IsEmpty());
    EXPECT_THAT(codes(allowed.overridden), ElementsAre("foreign-driver-override"));
    topology.setOverride(*Address::parse(gpu), {.known = true, .value = "vfio-pci"});
    EXPECT_FALSE(planGroup(1, {}, topology, drivers).blocked());
}

// case 24
TEST(Plan, APfWithVfsIsRefused) {
    FakeKernel kernel;
    kernel.addVfioPci();
    kernel.addDriver({.name = "nvme", .module = "nvme", .ids = {"1b36:0010"}, .sriov = true});
    kernel.addRootPort("0000:00:01.0", 0, 1);
    kernel.addDevice({.address = "0000:01:00.0",
                      .ids = "1b36:0010",
                      .classCode = 0x010802,
                      .group = 1,
                      .driver = "nvme",
                      .totalVfs = 8,
                      .vfIds = "1b36:0010"});
    ASSERT_EQ(put(kernel, devices + "0000:01:00.0/sriov_numvfs", "2"), 0);
    EXPECT_THAT(codes(planned(kernel, {}).blockers), ElementsAre("has-vfs"));
}

// case 19
TEST(Plan, AMissingDriverIsSaidOnce) {
    const auto kernel = machine();
    auto drivers = readDrivers(kernel).value();
    drivers.registered.erase("vfio-pci");
    drivers.missing["vfio-pci"] = "module vfio_pci is not installed";
    const auto plan = planGroup(1, {}, read(kernel), drivers);
    ASSERT_THAT(codes(plan.blockers), ElementsAre("driver-missing"));
    EXPECT_EQ(plan.blockers[0].sentence, "module vfio_pci is not installed");
}

TEST(Plan, OneAllowedCodeLetsNoOtherThrough) {
    const Blockers found{
        {"mounted", {}, "holds /"}, {"swap", {}, "holds swap"}, {"inaccessible", {}, "dead"}};
    const auto plan = planned(machine(), {.allow = {"mounted", "inaccessible"}}, 1, found);
    EXPECT_THAT(codes(plan.overridden), ElementsAre("mounted"));
    EXPECT_THAT(codes(plan.blockers),
                ElementsAre("swap", "inaccessible")); // the latter cannot be allowed away
    EXPECT_TRUE(plan.blocked());
}

TEST(Plan, ReleaseGivesBackToTheDriverItCameFrom) {
    auto kernel = machine();
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    auto drivers = readDrivers(kernel).value();
    drivers.native[*Address::parse(gpu)] = "nouveau";
    drivers.driverless.insert(*Address::parse(audio));
    const auto plan = planGroup(1, {.action = Action::release, .by = "uid 0"}, read(kernel), drivers);
    EXPECT_EQ(plan.str(), R"(group 1: release (uid 0)
  override 0000:01:00.0 (clear)
  override 0000:01:00.1 (clear)
  unbind 0000:01:00.0 vfio-pci
  unbind 0000:01:00.1 vfio-pci
  bind 0000:01:00.0 nouveau
  probe 0000:01:00.1
  verify 0000:01:00.0 nouveau
  verify 0000:01:00.1 native driver
)");
    EXPECT_TRUE(plan.members[0].driverExpected);
    EXPECT_FALSE(plan.members[1].driverExpected);
}

TEST(Plan, ReleaseOfANativeGroupIsNothing) {
    EXPECT_TRUE(planned(machine(), {.action = Action::release}).nothingToDo());
    EXPECT_EQ(planned(machine(), {.action = Action::release, .by = "x"}).str(),
              "group 1: release (x)\n  nothing to do\n");
}

TEST(Plan, AGroupThatIsNotThereNeedsNothing) {
    EXPECT_TRUE(planned(machine(), {}, 77).nothingToDo());
}

} // namespace
} // namespace vfiobind::plan_test
