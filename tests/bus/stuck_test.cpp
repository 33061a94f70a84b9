// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes that hang, groups that are held, workers that die.
#include "stuck_fixture.h"

#include <cctype>
#include <chrono>
#include <sys/stat.h>

namespace vfiobind::bustest::stuck_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The kernel's own events of a group that is worked on are our doing; what they would tell is looked at
/// anew.
TEST_F(StuckTest, WhatWasDoneBeforeTheStepThatHangsIsShownWithoutUdev) {
    start();
    configure("[defaults]\ntimeout = \"200ms\"\n[[bind]]\nname = \"card\"\ndevices = [\"" + gpu + "\"]\n");
    ASSERT_NE(client().device(gpu, "Driver"), "");
    tell("no-udev");
    tell("hang-at /unbind <- " + audio);
    client().manager().Reload();
    client().waitForState(1, "stuck");
    EXPECT_EQ(client().device(gpu, "Driver"), "");
    tell("udev");
    tell("finish-hang");
    client().waitForState(1, "bound");
    EXPECT_EQ(client().device(gpu, "Driver"), "vfio-pci");
}

TEST_F(StuckTest, ACardThatIsTornOutWhileAStepHangsIsGoneAtOnce) {
    start();
    tell("no-udev");
    tell("hang-at /unbind <- " + audio);
    client().bind(gpu);
    settle();
    ASSERT_NE(client().group(1, "Job"), "/");
    tell("unplug " + gpu);
    client().waitFor("the function to be gone",
                     [&] { return !client().objects().contains(devicePath(gpu)); });
    tell("finish-hang");
    settle();
}

/// Case 46, issue 3 item 7.
TEST_F(StuckTest, ASecondCallForAGroupIsRefusedWithBusy) {
    start();
    tell("hang-at e1000e/unbind <- " + nic);
    const auto jobs = client().bind(nic);
    settle();
    for (const auto& call :
         std::vector<std::function<void()>>{[&] { client().bind(nic); }, [&] { client().release(nic); },
                                            [&] { Group(client().connection(), 3).Bind({}); }}) {
        const auto refusal = refusalOf(call);
        EXPECT_EQ(refusal.name, "Busy");
        EXPECT_THAT(refusal.message, HasSubstr("group 3"));
    }
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done")) << "other groups go on";
    tell("finish-hang");
    EXPECT_EQ(client().resultOf(jobs.at(0)), "done");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done")) << "and now it is free";
}

/// Another program's unbind of a held device hangs, so that the device cannot be looked at.
TEST_F(StuckTest, ACallThatIsGivenUpLeavesItsOtherGroupsFree) {
    const std::string other = "0000:03:00.0";
    auto machine = standardMachine();
    machine["kernel"] = "6.1"; // where reading driver_override waits for the device's lock
    start(machine);
    EXPECT_THAT(client().bindAndWait("8086:10d3"), ElementsAre("done", "done"));
    tell("hold 812 3");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + nic);
    const auto refusal = refusalOf([&] { client().release("8086:10d3"); });
    EXPECT_EQ(refusal.name, "KernelRefused");
    EXPECT_THAT(refusal.message, HasSubstr("reading the state of group 3 has not come back in time"));
    EXPECT_THAT(client().releaseAndWait(other), ElementsAre("done"));
    EXPECT_EQ(client().group(3, "State"), "stuck");
    tell("end 812");
}

TEST_F(StuckTest, AWorkerThatTellsNothingIsNotWaitedForForEver) {
    start();
    tell("silent-workers");
    const auto refusal = refusalOf([&] { client().bind(nic); });
    EXPECT_EQ(refusal.name, "KernelRefused");
    EXPECT_THAT(refusal.message, HasSubstr("reading the state of group 3 has not come back in time"));
    tell("workers");
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
}

TEST_F(StuckTest, AGroupOfWhichNothingIsToBeDoneStaysWithItsCall) {
    const std::string other = "0000:03:00.0";
    auto machine = standardMachine();
    machine["kernel"] = "6.1";
    start(machine);
    EXPECT_THAT(client().bindAndWait("8086:10d3"), ElementsAre("done", "done"));
    tell("hold 812 5");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + other);
    std::optional<std::vector<sdbus::ObjectPath>> jobs;
    const auto call = client().callBind(
        "8086:10d3", [&](bus::AsyncError error, const std::vector<sdbus::ObjectPath>& paths) {
            EXPECT_FALSE(error);
            jobs = paths;
        });
    client().group(3, "State"); // the call before it has come, too
    settle();
    EXPECT_FALSE(jobs);
    tell("end 812");
    client().waitFor("the call to be answered", [&] { return jobs.has_value(); });
    ASSERT_EQ(jobs->size(), 1U);
    EXPECT_EQ(client().resultOf(jobs->front()), "done");
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(5, "State"), "bound");
}

/// Cases 34 and 37: the daemon says what hangs, answers, and reads nothing that can block (TearDown looks).
TEST_F(StuckTest, AHangingStepMakesTheGroupStuckAndTheDaemonAnswers) {
    startStuck();
    const auto job = onlyJob();
    EXPECT_EQ(client().property(job, jobInterface, "State"), "stuck");
    const auto steps = client().property(job, jobInterface, "Steps");
    EXPECT_EQ(steps.back(), json::array({"unbind " + nic + " e1000e", "running"}));
    EXPECT_THAT(client().group(3, "LastError").get<std::string>(), HasSubstr("unbind " + nic + " e1000e"));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(client().describe().at("jobs").at(0).at("state"), "stuck");
    EXPECT_TRUE(client().objects().contains(job));
    EXPECT_TRUE(client().check(gpu).possible);
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    EXPECT_THAT(client().releaseAndWait(gpu), ElementsAre("done"));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    EXPECT_EQ(client().group(3, "State"), "stuck");
    tell("finish-hang");
    EXPECT_EQ(client().resultOf(job), "done");
    settle();
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(3, "LastError"), "");
}

/// Case 36's other end: the true result can be a failure.
TEST_F(StuckTest, AStuckJobEndsWithItsTrueResult) {
    startStuck();
    const auto job = onlyJob();
    tell("fail-at vfio-pci/bind <- " + nic + " EBUSY 1000");
    tell("finish-hang");
    EXPECT_EQ(client().resultOf(job), "rolled-back");
    settle();
    EXPECT_EQ(driverOf(nic), "e1000e");
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_THAT(client().group(3, "LastError").get<std::string>(), HasSubstr("EBUSY"));
}

/// Case 35, issue 3 item 3.
TEST_F(StuckTest, AReleaseOfAHeldGroupIsRefusedBeforehand) {
    configure(slowRule);
    start();
    tell("hold 4711 3");
    tell("clear-writes");
    const auto refusal = refusalOf([&] { client().release(nic); });
    EXPECT_EQ(refusal.name, "InUse");
    EXPECT_THAT(refusal.message, HasSubstr("4711"));
    EXPECT_THAT(refusal.message, HasSubstr("qemu-system-x86 (VM demo) (pid 4711)"));
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(3, "Holders"), json::array({json::array({4711, "qemu-system-x86"})}));
}

/// Case 36.
TEST_F(StuckTest, AForcedReleaseOfAHeldGroupIsStuckUntilTheHolderEnds) {
    configure(slowRule);
    start();
    tell("hold 4711 3");
    const auto jobs = client().release(nic, {{"allow", texts({"held-by-vm"})}});
    ASSERT_EQ(jobs.size(), 1U);
    client().waitForState(3, "stuck");
    client().waitFor("the holder's name", [&] {
        return client().group(3, "LastError").get<std::string>().find("4711") != std::string::npos;
    });
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    tell("end 4711");
    EXPECT_EQ(client().resultOf(jobs.front()), "done");
    settle();
    EXPECT_EQ(driverOf(nic), "e1000e");
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_EQ(client().group(3, "Holders"), json::array());
}

/// Case 38: the worker is killed before or after any of its writes; the journal is resolved, the job's end is
/// told, and the group ends bound or as it was.
class KilledWorkerTest : public StuckTest, public testing::WithParamInterface<std::string> {};

TEST_P(KilledWorkerTest, LeavesNothingHalfDone) {
    start();
    const auto before = machineState();
    tell(GetParam());
    const auto jobs = client().bind(gpu);
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(client().resultOf(jobs.front()), "failed");
    settle();
    EXPECT_EQ(client().audit(), "");
    EXPECT_EQ(client().root("Jobs"), json::array());
    const auto state = client().group(1, "State").get<std::string>();
    if (state == "bound") {
        EXPECT_EQ(driverOf(gpu), "vfio-pci");
        EXPECT_EQ(driverOf(audio), "vfio-pci");
    } else {
        EXPECT_EQ(state, "native");
        EXPECT_EQ(machineState(), before);
        EXPECT_THAT(client().group(1, "LastError").get<std::string>(), HasSubstr("cut off"));
    }
    struct stat found{};
    EXPECT_NE(stat((stateFolder() + "/journal/1.json").c_str(), &found), 0) << "the journal is resolved";
}

INSTANTIATE_TEST_SUITE_P(AtEveryWrite, KilledWorkerTest,
                         testing::Values("kill 0", "kill-after 0", "kill-after 1", "kill 3", "kill-after 3",
                                         "kill-after 4", "kill-after 5"),
                         [](const auto& one) {
                             auto name = one.param;
                             for (auto& c : name)
                                 if (std::isalnum(static_cast<unsigned char>(c)) == 0)
                                     c = '_';
                             return name;
                         });

} // namespace
} // namespace vfiobind::bustest::stuck_test
