// SPDX-License-Identifier: LGPL-2.1-or-later
// vfio-bindctl run and hold.
#include "fixture.h"

namespace vfiobind::bustest::run_test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class RunTest : public BusTest {
protected:
    Child hold(const std::string& target) {
        return {{VFIO_BIND_CTL, "--session", "hold", target}, {}, folder() + "/hold.err"};
    }
};

TEST_F(RunTest, TheCommandHasTheGroupAndItsStatusIsOurs) {
    start();
    const auto ended =
        ctl({"run", nic, "--", "sh", "-c",
             "echo $VFIO_BIND_GROUPS $VFIO_BIND_NODES $VFIO_BIND_DEVICES; echo $VFIO_BIND_QEMU; "
             "exit 7"});
    EXPECT_EQ(ended.code, 7) << ended.err;
    EXPECT_EQ(ended.err, "");
    EXPECT_THAT(ended.out, StartsWith("3 /dev/vfio/3 0000:02:00.0\n-device pcie-root-port,id=vfio3-1,"));
    client().waitForState(3, "native");
}

TEST_F(RunTest, WhatTheLeaseIsForIsTheCommandsName) {
    start();
    const auto ended =
        ctl({"run", nic, "--", "sh", "-c", std::string(VFIO_BIND_CTL) + " --session --json status"});
    ASSERT_EQ(ended.code, 0) << ended.err;
    const auto lease = json::parse(ended.out)["groups"][3]["leases"][0];
    EXPECT_EQ(lease["what"], "sh");
    EXPECT_EQ(lease["uid"], getuid());
    client().waitForState(3, "native");
}

TEST_F(RunTest, WithoutTheGroupThereIsNoCommand) {
    start();
    const auto unknown = ctl({"run", nic, "0000:77:00.0", "--", "touch", folder() + "/ran"});
    EXPECT_EQ(unknown.code, 125);
    EXPECT_THAT(unknown.err, HasSubstr("0000:77:00.0"));
    client().waitForState(3, "native");
    settle(); // the first target's group has gone back
    const auto refused = ctl({"run", nic, "--driver", "no-such-driver", "--", "touch", folder() + "/ran"});
    EXPECT_EQ(refused.code, 125);
    EXPECT_THAT(refused.err, HasSubstr("no_such_driver"));
    tell("fail-at vfio-pci/bind EBUSY 9");
    const auto failed = ctl({"run", nic, "--", "touch", folder() + "/ran"});
    EXPECT_EQ(failed.code, 125);
    EXPECT_THAT(failed.err, HasSubstr("group/3: rolled-back: "));
    EXPECT_EQ(readFile(folder() + "/ran"), "");
    client().waitForState(3, "native");
}

/// No write at all: not even the first target is bound, and given back.
TEST_F(RunTest, AllTargetsAreCheckedBeforeTheFirstIsAcquired) {
    start();
    const auto unknown = ctl({"run", nic, "0000:77:00.0", "--", "true"});
    EXPECT_EQ(unknown.code, 125);
    EXPECT_THAT(unknown.err, HasSubstr("0000:77:00.0"));
    tell("echo /sys/bus/pci/devices/" + twin + "/driver_override pci-stub");
    tell("clear-writes");
    for (const auto* command : {"run", "hold"}) {
        std::vector<std::string> words{command, nic, twin};
        if (std::string(command) == "run")
            words.insert(words.end(), {"--", "true"});
        const auto blocked = ctl(words);
        EXPECT_EQ(blocked.code, 125);
        EXPECT_THAT(blocked.err,
                    StartsWith("vfio-bindctl: foreign-driver-override: driver_override of " + twin));
    }
    EXPECT_THAT(writes(), testing::IsEmpty());
}

TEST_F(RunTest, HoldHasTheGroupUntilItIsEnded) {
    start();
    auto holder = hold(nic);
    EXPECT_EQ(holder.readLine(), nic + ": bound until this ends");
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    EXPECT_EQ(holder.terminate(), 0);
    client().waitForState(3, "native");
}

TEST_F(RunTest, HoldThatIsKilledGivesBack) {
    start();
    {
        auto holder = hold(nic);
        EXPECT_EQ(holder.readLine(), nic + ": bound until this ends");
    } // kills it
    client().waitForState(3, "native");
}

TEST_F(RunTest, TextNamesTheLeases) {
    start();
    auto holder = hold(nic);
    EXPECT_EQ(holder.readLine(), nic + ": bound until this ends");
    EXPECT_THAT(ctl({"status"}).out, HasSubstr("leased by "));
    EXPECT_THAT(ctl({"show", nic}).out, testing::ContainsRegex("lease +leased by "));
    const auto refused = ctl({"release", nic});
    EXPECT_EQ(refused.code, 3);
    EXPECT_THAT(refused.err, HasSubstr("group 3 is leased by uid "));
    EXPECT_EQ(ctl({"release", nic, "--allow", "leased"}).code, 0);
    EXPECT_EQ(driverOf(nic), "e1000e");
}

} // namespace
} // namespace vfiobind::bustest::run_test
