// SPDX-License-Identifier: LGPL-2.1-or-later
// A card belongs to a workload for as long as it runs.
#include "fake_polkit.h"
#include "fixture.h"
#include "other_user.h"
#include "sysfs/descriptor.h"

#include <fcntl.h>
#include <optional>
#include <unistd.h>

namespace vfiobind::bustest::lease_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class LeaseTest : public BusTest {
protected:
    /// Whoever holds the descriptor has the lease.
    using Lease = std::optional<Descriptor>;

    /// Waits for the jobs, too.
    Lease acquire(const std::string& target, const Options& options = {}) {
        const auto [lease, jobs] = client().manager().Acquire(target, options);
        for (const auto& job : jobs)
            EXPECT_EQ(client().resultOf(job), "done");
        return Descriptor(fcntl(lease.get(), F_DUPFD_CLOEXEC, 3));
    }
    Refusal acquireRefusal(const std::string& target, const Options& options = {}) {
        return refusalOf([&] { (void)client().manager().Acquire(target, options); });
    }
    Refusal releaseRefusal(const std::string& target, const Options& options = {}) {
        return refusalOf([&] { client().release(target, options); });
    }
    std::size_t leasesOn(unsigned group) { return client().group(group, "Leases").size(); }
    void waitForNative(unsigned group) { client().waitForState(group, "native"); }
    void configureCard(const std::string& more) {
        configure("[[bind]]\nname = \"card\"\ndevices = [\"" + std::string(gpu) + "\"]\n" + more);
    }
};

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

TEST_F(LeaseTest, ARuleThatIsAskedForIsBoundForTheLeaseOnly) {
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

TEST_F(LeaseTest, WhatARuleWantsAlwaysStays) {
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

TEST_F(LeaseTest, WhatABindWantsStays) {
    start();
    auto lease = acquire(nic);
    client().bindAndWait(nic);
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(3) == 0; });
    settle();
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done"));
}

TEST_F(LeaseTest, WhatWasBoundBeforeStays) {
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

TEST_F(LeaseTest, ACardThatDoesNotSurviveTheWayBackStays) {
    configureCard("when = \"asked\"\ngive-back = \"never\"\n");
    start();
    auto lease = acquire("card");
    lease.reset();
    client().waitFor("no lease", [this] { return leasesOn(1) == 0; });
    settle();
    EXPECT_EQ(client().group(1, "State"), "bound");
}

TEST_F(LeaseTest, AReleaseIsRefusedAndNamesAllLeases) {
    start();
    const auto first = acquire(nic, {{"what", text("VM win11")}});
    const auto second = acquire(nic, {{"what", text("VM linux")}});
    const auto refusal = releaseRefusal(nic);
    EXPECT_EQ(refusal.name, "InUse");
    EXPECT_THAT(refusal.message, testing::ContainsRegex("leased: group 3 is leased by uid 0 since .* "
                                                        "\\(VM win11\\), uid 0 since .* \\(VM linux\\)"));
    EXPECT_EQ(driverOf(nic), "vfio-pci");
}

TEST_F(LeaseTest, AReleaseCanTakeItAllTheSame) {
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

TEST_F(LeaseTest, LeasedIsAllowedByAReleaseOnly) {
    start();
    const auto refusal = acquireRefusal(nic, {{"allow", texts({"leased"})}});
    EXPECT_EQ(refusal.name, "InvalidArgument");
    EXPECT_THAT(refusal.message, HasSubstr("leased can be allowed by a Release only"));
}

TEST_F(LeaseTest, OptionsAreThoseOfAcquire) {
    start();
    EXPECT_THAT(acquireRefusal(nic, {{"persist", sdbus::Variant(true)}}).message,
                HasSubstr("option 'persist' is unknown here; there are allow, driver, method and what"));
    EXPECT_THAT(acquireRefusal(nic, {{"what", text("a\nb")}}).message, HasSubstr("control character"));
    EXPECT_THAT(acquireRefusal(nic, {{"what", text(std::string(129, 'x'))}}).message, HasSubstr("129 bytes"));
    EXPECT_EQ(refusalOf([&] { client().bind(nic, {{"what", text("x")}}); }).name, "InvalidArgument");
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(LeaseTest, WhatIsBlockedIsRefusedAndNotLeased) {
    start();
    const auto refusal = acquireRefusal(nic, {{"driver", text("no-such-driver")}});
    EXPECT_EQ(refusal.name, "DriverMissing") << refusal.message;
    EXPECT_EQ(leasesOn(3), 0U);
    EXPECT_EQ(tell("stored-leases"), 0);
    EXPECT_THAT(writes(), IsEmpty());
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

TEST_F(LeaseTest, ALeaseOutlivesTheDaemon) {
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
TEST_F(LeaseTest, WithABrokenConfigurationNothingGoesBack) {
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

TEST_F(LeaseTest, LeasesAreFoundWhereTheStoreIsLost) {
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

TEST_F(LeaseTest, ThereAreLimits) {
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

TEST_F(LeaseTest, AnotherDriverUnderALeaseIsRefused) {
    start();
    const auto lease = acquire(nic);
    for (const auto& refusal : {acquireRefusal(nic, {{"driver", text("pci-stub")}}),
                                refusalOf([&] { client().bind(nic, {{"driver", text("pci-stub")}}); })}) {
        EXPECT_EQ(refusal.name, "InUse");
        EXPECT_THAT(refusal.message, HasSubstr("group 3 is leased with driver auto"));
    }
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

TEST_F(LeaseTest, WhatItIsForIsToldToItsUserOnly) {
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

TEST_F(LeaseTest, PolkitIsAskedForAcquire) {
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
} // namespace vfiobind::bustest::lease_test
