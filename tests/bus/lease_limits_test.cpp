// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may have a lease, and how many; what others are told of it.
#include "fake_polkit.h"
#include "lease_fixture.h"
#include "other_user.h"

namespace vfiobind::bustest::lease_limits_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class LeaseLimitsTest : public LeaseFixture {};

TEST_F(LeaseLimitsTest, OptionsAreThoseOfAcquire) {
    start();
    EXPECT_THAT(acquireRefusal(nic, {{"persist", sdbus::Variant(true)}}).message,
                HasSubstr("option 'persist' is unknown here; there are allow, driver, method and what"));
    EXPECT_THAT(acquireRefusal(nic, {{"what", text("a\nb")}}).message, HasSubstr("control character"));
    EXPECT_THAT(acquireRefusal(nic, {{"what", text(std::string(129, 'x'))}}).message, HasSubstr("129 bytes"));
    EXPECT_EQ(refusalOf([&] { client().bind(nic, {{"what", text("x")}}); }).name, "InvalidArgument");
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(LeaseLimitsTest, WhatIsBlockedIsRefusedAndNotLeased) {
    start();
    const auto refusal = acquireRefusal(nic, {{"driver", text("no-such-driver")}});
    EXPECT_EQ(refusal.name, "DriverMissing") << refusal.message;
    EXPECT_EQ(leasesOn(3), 0U);
    EXPECT_EQ(tell("stored-leases"), 0);
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(LeaseLimitsTest, ThereAreLimits) {
    start();
    std::vector<Lease> leases;
    for (int i = 0; i < 16; ++i)
        leases.push_back(acquire(nic));
    const auto refusal = acquireRefusal(nic);
    EXPECT_EQ(refusal.name, "LimitsExceeded");
    EXPECT_THAT(refusal.message, HasSubstr("has 16 leases on group 3"));
    leases.pop_back();
    client().waitFor("a lease less", [this] { return leasesOn(3) == 15; });
    leases.push_back(acquire(nic));
    leases.clear();
    waitForNative(3);
}

TEST_F(LeaseLimitsTest, AnotherDriverUnderALeaseIsRefused) {
    start();
    const auto lease = acquire(nic);
    for (const auto& refusal : {acquireRefusal(nic, {{"driver", text("pci-stub")}}),
                                refusalOf([&] { client().bind(nic, {{"driver", text("pci-stub")}}); })}) {
        EXPECT_EQ(refusal.name, "InUse");
        EXPECT_THAT(refusal.message, HasSubstr("group 3 is leased with driver auto"));
    }
}

TEST_F(LeaseLimitsTest, WhatItIsForIsToldToItsUserOnly) {
    OtherUser user([] {
        const auto connection = bus::openSessionBus();
        Manager manager(*connection);
        return manager.Describe();
    });
    start();
    const auto lease = acquire(nic, {{"what", text("secret plan")}});
    EXPECT_THAT(client().manager().Describe(), HasSubstr("secret plan"));
    user.go();
    const auto seen = user.report();
    EXPECT_THAT(seen, HasSubstr("since-usec"));
    EXPECT_THAT(seen, Not(HasSubstr("secret plan")));
}

TEST_F(LeaseLimitsTest, PolkitIsAskedForAcquire) {
    OtherUser user([] {
        const auto connection = bus::openSessionBus();
        Manager manager(*connection);
        try {
            (void)manager.Acquire(nic, Options{});
            return std::string("done");
        } catch (const sdbus::Error& error) {
            return std::string(error.getName());
        }
    });
    start();
    FakePolkit polkit({{"org.vfiobind1.acquire", FakePolkit::Word::yes}});
    user.go();
    EXPECT_EQ(user.report(), "done");
    EXPECT_EQ(polkit.calls(1)[0].action, "org.vfiobind1.acquire");
    waitForNative(3); // the caller has ended
}

} // namespace
} // namespace vfiobind::bustest::lease_limits_test
