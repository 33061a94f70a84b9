// SPDX-License-Identifier: LGPL-2.1-or-later
// A card belongs to a workload for as long as it runs.
#include "lease_fixture.h"

#include <fcntl.h>
#include <unistd.h>

namespace vfiobind::bustest::lease_test {
namespace {

using testing::IsEmpty;

class LeaseTest : public LeaseFixture {};

TEST_F(LeaseTest, TheGroupIsBoundForAsLongAsTheDescriptorIsOpen) {
    start();
    auto lease = acquire(nic, {{"what", text("VM win11")}});
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    EXPECT_EQ(client().group(3, "State"), "bound");
    const auto leases = client().group(3, "Leases");
    ASSERT_EQ(leases.size(), 1U);
    EXPECT_EQ(leases[0][0], getuid());
    EXPECT_GT(leases[0][1].get<std::uint64_t>(), 1'600'000'000'000'000U);

    lease.reset();
    waitForNative(3);
    settle();
    EXPECT_EQ(driverOf(nic), "e1000e");
    EXPECT_EQ(overrideOf(nic), "");
    EXPECT_EQ(leasesOn(3), 0U);
    EXPECT_EQ(tell("stored-leases"), 0);
}

TEST_F(LeaseTest, ACopyKeepsIt) {
    start();
    auto lease = acquire(nic);
    Lease copy(Descriptor(dup(lease->get())));
    lease.reset();
    settle();
    EXPECT_EQ(leasesOn(3), 1U);
    EXPECT_EQ(write(copy->get(), "ignored", 7), 7);
    settle();
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    copy.reset();
    waitForNative(3);
}

TEST_F(LeaseTest, LeasesAreCounted) {
    start();
    auto first = acquire(nic);
    tell("clear-writes");
    auto second = acquire(nic, {{"what", text("second")}});
    EXPECT_EQ(leasesOn(3), 2U);
    first.reset();
    client().waitFor("one lease", [this] { return leasesOn(3) == 1; });
    settle();
    EXPECT_THAT(writes(), IsEmpty()) << "two that pass one group between them never see it unbound";
    second.reset();
    waitForNative(3);
}

TEST_F(LeaseTest, OneLeaseCanBeOnSeveralGroups) {
    start();
    auto lease = acquire("8086:10d3");
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(5, "State"), "bound");
    EXPECT_EQ(tell("stored-leases"), 1);
    lease.reset();
    waitForNative(3);
    waitForNative(5);
}

TEST_F(LeaseTest, AJobThatFailsLeavesTheGroupAsItWas) {
    start();
    tell("fail-at vfio-pci/bind EBUSY 9");
    const auto [fd, jobs] = client().manager().Acquire(nic, Options{});
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(client().resultOf(jobs[0]), "rolled-back");
    EXPECT_EQ(leasesOn(3), 1U);
    Lease lease(Descriptor(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)));
    const_cast<sdbus::UnixFd&>(fd).reset();
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(3) == 0; });
    settle();
    EXPECT_EQ(driverOf(nic), "e1000e");
}

TEST_F(LeaseTest, AVmThatHoldsTheGroupIsWaitedFor) {
    start();
    auto lease = acquire(nic);
    tell("hold 999999999 3"); // no process of this number can be: its end is seen at the next look
    lease.reset();
    client().waitForState(3, "releasing");
    EXPECT_EQ(leasesOn(3), 0U);
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    tell("end 999999999");
    waitForNative(3);
    settle();
    EXPECT_EQ(driverOf(nic), "e1000e");
}

/// The client of org.vfiobind1(5). Not the first python3 of PATH: the distribution's has its GObject
/// bindings.
TEST_F(LeaseTest, TheExampleHoldsOne) {
    start();
    {
        Child example(
            {"/usr/bin/python3", VFIO_BIND_SOURCE_DIR "/packaging/examples/vfio-lease.py", "--session", nic},
            {}, folder() + "/example.err");
        EXPECT_EQ(example.readLine(), "leased") << readFile(folder() + "/example.err");
        EXPECT_EQ(driverOf(nic), "vfio-pci");
        EXPECT_EQ(client().describe()["groups"][3]["leases"][0]["what"], "vfio-lease.py");
    } // kills it
    waitForNative(3);
}

/// A caller that goes away before its answer has no lease: the bus closes what nobody takes.
TEST_F(LeaseTest, ACallerThatGoesAwayHasNone) {
    start();
    {
        const auto connection = bus::openSessionBus();
        const auto proxy =
            sdbus::createProxy(*connection, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath});
        auto call = proxy->createMethodCall(bus::InterfaceName{managerInterface}, bus::MethodName{"Acquire"});
        call << std::string(nic) << Options{};
        call.dontExpectReply();
        (void)proxy->callMethod(call);
    }
    // Whether the daemon came to know of the call before its caller had gone is left to chance.
    (void)client().describe();
    settle();
    waitForNative(3);
    EXPECT_EQ(leasesOn(3), 0U);
}

} // namespace
} // namespace vfiobind::bustest::lease_test
