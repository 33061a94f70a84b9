// SPDX-License-Identifier: LGPL-2.1-or-later
// Leases outlive the daemon.
#include "lease_fixture.h"

namespace vfiobind::bustest::lease_death_test {
namespace {

using testing::IsEmpty;

class LeaseDeathTest : public LeaseFixture {};

TEST_F(LeaseDeathTest, ALeaseOutlivesTheDaemon) {
    start();
    auto card = acquire(gpu, {{"what", text("VM win11")}});
    auto first = acquire(nic);
    auto second = acquire(twin);
    tell("clear-writes");
    first.reset(); // the loop of the fake daemon may see it before or after its end
    restart();
    waitForNative(3);
    EXPECT_EQ(client().group(1, "State"), "bound");
    EXPECT_EQ(client().group(5, "State"), "bound");
    EXPECT_EQ(leasesOn(1), 1U);
    EXPECT_EQ(client().describe()["groups"][1]["leases"][0]["what"], "VM win11");
    card.reset();
    waitForNative(1);
    second.reset();
    waitForNative(5);
}

/// What rules say is not known then: nothing is released (case 63).
TEST_F(LeaseDeathTest, WithABrokenConfigurationNothingGoesBack) {
    start();
    auto lease = acquire(gpu);
    configureCard("");
    client().manager().Reload();
    settle();
    tell("clear-writes");
    configure("nonsense");
    lease.reset();
    restart();
    settle();
    EXPECT_EQ(driverOf(gpu), "vfio-pci");
    configureCard("");
    client().manager().Reload();
    settle();
    EXPECT_EQ(client().group(1, "State"), "bound");
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(LeaseDeathTest, LeasesAreFoundWhereTheStoreIsLost) {
    start();
    auto first = acquire(nic);
    auto second = acquire(twin);
    tell("lose-store");
    restart();
    settle();
    EXPECT_EQ(leasesOn(3), 1U);
    EXPECT_EQ(leasesOn(5), 1U);
    EXPECT_EQ(tell("stored-leases"), 2);
    first.reset();
    waitForNative(3);
    EXPECT_EQ(client().group(5, "State"), "bound");
}

} // namespace
} // namespace vfiobind::bustest::lease_death_test
