// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether a group goes back at its last lease's end, and who may take it before.
#include "lease_fixture.h"

namespace vfiobind::bustest::lease_end_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LeaseEndTest : public LeaseFixture {};

TEST_F(LeaseEndTest, ARuleThatIsAskedForIsBoundForTheLeaseOnly) {
    configureCard("when = \"asked\"\n");
    start();
    EXPECT_EQ(client().group(1, "State"), "native");
    EXPECT_EQ(driverOf(gpu), "nouveau");
    EXPECT_EQ(client().describe().at("rules")[0].at("when"), "asked");
    EXPECT_EQ(client().describe().at("rules")[0].at("matches"), json::array({gpu}));
    auto lease = acquire("card");
    EXPECT_EQ(driverOf(gpu), "vfio-pci");
    EXPECT_EQ(driverOf(audio), "vfio-pci");
    EXPECT_EQ(client().group(1, "Rule"), "card");
    lease.reset();
    waitForNative(1);
    settle();
    EXPECT_EQ(driverOf(gpu), "nouveau");
}

TEST_F(LeaseEndTest, WhatARuleWantsAlwaysStays) {
    configureCard("");
    start();
    tell("clear-writes");
    auto lease = acquire("card");
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(1) == 0; });
    settle();
    EXPECT_EQ(client().group(1, "State"), "bound");
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(LeaseEndTest, WhatABindWantsStays) {
    start();
    auto lease = acquire(nic);
    client().bindAndWait(nic);
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(3) == 0; });
    settle();
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done"));
}

TEST_F(LeaseEndTest, WhatWasBoundBeforeStays) {
    auto machine = standardMachine();
    machine["devices"][4]["driver"] = "vfio-pci";
    start(machine);
    ASSERT_EQ(driverOf(nic), "vfio-pci");
    auto lease = acquire(nic);
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(3) == 0; });
    settle();
    EXPECT_EQ(driverOf(nic), "vfio-pci");
}

TEST_F(LeaseEndTest, ACardThatDoesNotSurviveTheWayBackStays) {
    configureCard("when = \"asked\"\ngive-back = \"never\"\n");
    start();
    auto lease = acquire("card");
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(1) == 0; });
    settle();
    EXPECT_EQ(client().group(1, "State"), "bound");
}

TEST_F(LeaseEndTest, AReleaseIsRefusedAndNamesAllLeases) {
    start();
    const auto first = acquire(nic, {{"what", text("VM win11")}});
    const auto second = acquire(nic, {{"what", text("VM linux")}});
    const auto refusal = releaseRefusal(nic);
    EXPECT_EQ(refusal.name, "InUse");
    EXPECT_THAT(refusal.message, testing::ContainsRegex("leased: group 3 is leased by uid 0 since .* "
                                                        "\\(VM win11\\), uid 0 since .* \\(VM linux\\)"));
    EXPECT_EQ(driverOf(nic), "vfio-pci");
}

TEST_F(LeaseEndTest, AReleaseCanTakeItAllTheSame) {
    start();
    auto lease = acquire(nic);
    EXPECT_THAT(client().releaseAndWait(nic, {{"allow", texts({"leased"})}}), ElementsAre("done"));
    EXPECT_EQ(driverOf(nic), "e1000e");
    settle();
    EXPECT_EQ(client().group(3, "State"), "native");
    // Whoever asks anew has it.
    const auto next = acquire(nic);
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    lease.reset();
    settle();
    EXPECT_EQ(driverOf(nic), "vfio-pci");
}

TEST_F(LeaseEndTest, LeasedIsAllowedByAReleaseOnly) {
    start();
    const auto refusal = acquireRefusal(nic, {{"allow", texts({"leased"})}});
    EXPECT_EQ(refusal.name, "InvalidArgument");
    EXPECT_THAT(refusal.message, HasSubstr("leased can be allowed by a Release only"));
}

} // namespace
} // namespace vfiobind::bustest::lease_end_test
