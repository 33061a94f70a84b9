// SPDX-License-Identifier: LGPL-2.1-or-later
// Writes that hang, groups that are held, workers that die, daemons that are started anew.
#include "fixture.h"

#include <cctype>
#include <chrono>
#include <sys/stat.h>

namespace vfiobind::bustest::stuck_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string slowRule =
    "[defaults]\ntimeout = \"200ms\"\n[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n";

class StuckTest : public BusTest {
protected:
    /// The NIC's rule is carried out, and its unbind hangs until it is stuck.
    void startStuck() {
        start();
        configure(slowRule);
        tell("hang-at e1000e/unbind <- " + nic);
        client().manager().Reload();
        client().waitForState(3, "stuck");
    }
    std::string onlyJob() { return client().root("Jobs").at(0).get<std::string>(); }
};

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

class RestartTest : public StuckTest {};

/// Case 39, and 40: the end of the daemon and its start write nothing.
TEST_F(RestartTest, ADaemonThatStartsAnewAdoptsWhatIsBound) {
    configure(slowRule);
    start();
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    tell("hold 4711 1");
    settle();
    const auto before = client().objects();
    const auto machine = machineState();
    tell("clear-writes");
    restart();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(machineState(), machine);
    EXPECT_EQ(differences(before, client().objects()), "") << "the objects are as before";
    tell("end 4711");
    EXPECT_THAT(client().check(gpu).steps, IsEmpty());
    EXPECT_THAT(client().releaseAndWait(gpu), ElementsAre("done"));
    EXPECT_EQ(driverOf(gpu), "nouveau") << "which driver it was taken from is still known";
    EXPECT_EQ(driverOf(audio), "snd_hda_intel");
}

/// Case 48 and issue 3 item 7: what was asked over D-Bus outlives the daemon.
TEST_F(RestartTest, AReleaseOutlivesTheDaemon) {
    configure(slowRule);
    start();
    EXPECT_THAT(client().releaseAndWait("lan"), ElementsAre("done"));
    tell("clear-writes");
    restart();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_EQ(driverOf(nic), "e1000e");
    tell("unplug " + twin); // any event makes it look again
    settle();
    EXPECT_EQ(driverOf(nic), "e1000e");
}

/// A bind that was asked for is made again when a device of the group comes back.
/// Case 38: the daemon was killed between noting the release and its end; the ledger then says both, ours and
/// to be released.
TEST_F(RestartTest, AReleaseThatWasCutOffIsFinished) {
    const auto cutOff = [this] {
        auto ledger = readFile(stateFolder() + "/ledger.json");
        const auto at = ledger.find("\"bind\"");
        ASSERT_NE(at, std::string::npos) << ledger;
        writeFile(stateFolder() + "/ledger.json", ledger.replace(at, 6, "\"release\""));
    };
    start();
    ASSERT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    const auto bound = readFile(stateFolder() + "/ledger.json");
    cutOff();
    restart();
    client().waitForState(1, "native");
    EXPECT_EQ(driverOf(gpu), "nouveau") << "it had not begun";
    writeFile(stateFolder() + "/ledger.json", bound);
    cutOff();
    tell("clear-writes");
    restart();
    EXPECT_EQ(client().group(1, "State"), "native") << "it had ended, but for the note";
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(RestartTest, ABindOutlivesTheDaemon) {
    start();
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    restart();
    EXPECT_EQ(client().group(1, "State"), "bound");
    tell("unplug " + audio);
    tell("hotplug " +
         json{{"address", audio}, {"ids", "10de:0e0f"}, {"class", "040300"}, {"group", 1}}.dump());
    client().waitForState(1, "bound");
    settle();
    EXPECT_EQ(driverOf(audio), "vfio-pci");
}

/// Case 57: what another program has put on vfio-pci is not ours.
TEST_F(RestartTest, AForeignVfioDeviceIsLeftAlone) {
    auto machine = standardMachine();
    auto foreign = networkCard("0000:04:00.0", 9, "8086:1533");
    foreign["driver"] = "vfio-pci";
    machine["devices"].push_back(foreign);
    start(machine);
    EXPECT_EQ(client().group(9, "State"), "native");
    EXPECT_THAT(refusalOf([&] { client().release("0000:04:00.0"); }).message, HasSubstr("foreign-driver"));
    EXPECT_THAT(writes(), IsEmpty());
}

/// Issue 3 item 3: the next start adopts the stuck worker, and tells its end.
TEST_F(RestartTest, AStuckWorkerIsAdopted) {
    startStuck();
    tell("clear-writes");
    restart();
    EXPECT_EQ(client().group(3, "State"), "stuck");
    const auto job = onlyJob();
    EXPECT_EQ(client().property(job, jobInterface, "State"), "stuck");
    EXPECT_EQ(client().property(job, jobInterface, "Steps").back()[0], "unbind " + nic + " e1000e");
    EXPECT_THAT(writes(), IsEmpty()) << "two workers at one group would fight";
    EXPECT_EQ(refusalOf([&] { client().bind(nic); }).name, "Busy");
    tell("finish-hang");
    EXPECT_EQ(client().resultOf(job), "done");
    settle();
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done"));
    EXPECT_EQ(driverOf(nic), "e1000e");
}

} // namespace
} // namespace vfiobind::bustest::stuck_test
