// SPDX-License-Identifier: LGPL-2.1-or-later
// Daemons that are started anew: what is bound stays so, and what was asked for is known.
#include "stuck_fixture.h"

namespace vfiobind::bustest::restart_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

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
    EXPECT_THAT(client().group(3, "LastError").get<std::string>(), HasSubstr("'unbind " + nic + " e1000e'"));
    EXPECT_EQ(refusalOf([&] { client().bind(nic); }).name, "Busy");
    tell("finish-hang");
    EXPECT_EQ(client().resultOf(job), "done");
    settle();
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(3, "LastError"), "");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done"));
    EXPECT_EQ(driverOf(nic), "e1000e");
}

/// Who is to end so that the worker comes back is known to the next daemon, too.
TEST_F(RestartTest, WhoHoldsTheGroupOfAnAdoptedWorkerIsShown) {
    configure(slowRule);
    start();
    tell("hold 4711 3");
    ASSERT_EQ(client().release(nic, {{"allow", texts({"held-by-vm"})}}).size(), 1U);
    client().waitForState(3, "stuck");
    restart();
    client().waitFor("the holder's name", [&] {
        return client().group(3, "LastError").get<std::string>().find("4711") != std::string::npos;
    });
    EXPECT_EQ(client().group(3, "Holders"), json::array({json::array({4711, "qemu-system-x86"})}));
    const auto job = onlyJob();
    tell("end 4711");
    EXPECT_EQ(client().resultOf(job), "done");
    settle();
    EXPECT_EQ(client().group(3, "Holders"), json::array());
}

} // namespace
} // namespace vfiobind::bustest::restart_test
