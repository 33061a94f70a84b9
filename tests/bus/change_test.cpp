// SPDX-License-Identifier: LGPL-2.1-or-later
// Bind, Release and Check as they are meant to be used.
#include "fixture.h"

namespace vfiobind::bustest::change_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ChangeTest : public BusTest {
protected:
    void SetUp() override {
        BusTest::SetUp();
        configure("[[bind]]\nname = \"both-nics\"\ndevices = [\"8086:10d3\"]\n");
    }

    /// Starts with the rule's groups released, so that everything is native.
    void startNative() {
        start();
        EXPECT_THAT(client().releaseAndWait("both-nics"), ElementsAre("done", "done"));
        settle();
        client().waitFor("the release", [&] {
            return client().group(3, "State") == "native" && client().group(5, "State") == "native";
        });
        tell("clear-writes");
        client().synchronise();
    }

    /// Starts with everything native, and a job that hangs until finishHanging().
    std::string startHanging() {
        startNative();
        tell("hang-at vfio-pci/bind <- " + nic);
        return client().bind(nic).at(0);
    }
    void finishHanging(const std::string& job) {
        tell("finish-hang");
        EXPECT_EQ(client().resultOf(job), "done");
    }
    const std::string hangingStep = "bind " + nic + " vfio-pci";

    void expectBound(unsigned group, const std::vector<std::string>& devices) {
        EXPECT_EQ(client().group(group, "State"), "bound");
        EXPECT_EQ(client().group(group, "Driver"), "vfio-pci");
        EXPECT_EQ(client().group(group, "Viable"), true);
        EXPECT_EQ(client().group(group, "Node"), "/dev/vfio/" + std::to_string(group));
        EXPECT_EQ(client().group(group, "Job"), "/");
        for (const auto& device : devices)
            EXPECT_EQ(driverOf(device), "vfio-pci") << device;
    }
};

/// Case 1: the card's function brings its whole group.
TEST_F(ChangeTest, BindByAddressTellsEveryPropertyThatChangesAndNoOther) {
    startNative();
    const auto jobs = client().bind(gpu);
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(client().resultOf(jobs.front()), "done");
    settle();
    expectBound(1, {gpu, audio});
    EXPECT_EQ(client().audit(), ""); // brings in what is still on the way
    EXPECT_THAT(client().changedOf(groupPath(1)),
                UnorderedElementsAre("State", "Viable", "Driver", "Node", "Job"));
    for (const auto& device : {gpu, audio})
        EXPECT_THAT(client().changedOf(devicePath(device)),
                    UnorderedElementsAre("Driver", "DriverOverride", "VfioDevice"));
    EXPECT_THAT(client().changedOf(bus::rootPath), UnorderedElementsAre("Jobs"));
    std::set<std::string> others = client().changedObjects();
    for (const auto& path :
         {groupPath(1), devicePath(gpu), devicePath(audio), std::string(bus::rootPath), jobs.front()})
        others.erase(path);
    EXPECT_THAT(others, IsEmpty());
    const auto states = client().changed().at(groupPath(1) + " State");
    EXPECT_THAT(states, ElementsAre("binding", "bound"));
}

TEST_F(ChangeTest, AJobShowsItsStepsAndThenGoes) {
    const auto path = startHanging();
    settle();
    const auto job = client().objects().at(path).at(jobInterface);
    EXPECT_EQ(job.at("Kind"), "bind");
    EXPECT_EQ(job.at("Group"), groupPath(3));
    EXPECT_EQ(job.at("State"), "running");
    EXPECT_EQ(path, "/org/vfiobind1/job/" + job.at("Id").dump());
    const auto steps = json::array({json::array({"override " + nic + " vfio-pci", "done"}),
                                    json::array({"unbind " + nic + " e1000e", "done"}),
                                    json::array({hangingStep, "running"})});
    EXPECT_EQ(job.at("Steps"), steps);
    EXPECT_GT(job.at("Started").get<std::uint64_t>(), 1'700'000'000'000'000U);
    EXPECT_EQ(client().group(3, "Job"), path);
    EXPECT_EQ(client().group(3, "State"), "binding");
    EXPECT_EQ(client().root("Jobs"), json::array({path}));
    finishHanging(path);
    settle();
    EXPECT_FALSE(client().objects().contains(path));
    EXPECT_EQ(client().root("Jobs"), json::array());
}

TEST_F(ChangeTest, StepsAreToldOfWhileTheJobGoesOn) {
    const auto job = startHanging();
    client().waitFor("the step that hangs", [&] {
        const auto& told = client().changed();
        const auto steps = told.find(job + " Steps");
        return steps != told.end() && steps->second.back().back() == json::array({hangingStep, "running"});
    });
    finishHanging(job);
}

TEST_F(ChangeTest, WhoAsksForStepsHearsOfThemFirst) {
    const auto job = startHanging();
    settle();
    const auto steps = client().property(job, jobInterface, "Steps");
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(client().audit(), "");
    EXPECT_EQ(client().known().at(job).at(jobInterface).at("Steps"), steps);
    finishHanging(job);
}

TEST_F(ChangeTest, AJobThatEndsWhileAnotherGoesOnLeavesTheList) {
    const auto hanging = startHanging();
    const auto told = [&] { return client().known().at(bus::rootPath).at(managerInterface).at("Jobs"); };
    const auto other = client().bind(gpu).at(0);
    EXPECT_EQ(client().resultOf(other), "done");
    EXPECT_THAT(client().changed().at(std::string(bus::rootPath) + " Jobs"),
                Contains(json::array({other, hanging})));
    client().waitFor("the list without it", [&] { return told() == json::array({hanging}); });
    finishHanging(hanging);
    client().waitFor("an empty list", [&] { return told() == json::array(); });
}

TEST_F(ChangeTest, WhoAsksForTheJobsHearsOfThemFirst) {
    const auto hanging = startHanging();
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    EXPECT_EQ(client().root("Jobs"), json::array({hanging}));
    EXPECT_EQ(client().audit(), "");
    finishHanging(hanging);
}

TEST_F(ChangeTest, BindByRuleTakesEveryGroupOfIt) {
    startNative();
    EXPECT_THAT(client().bindAndWait("both-nics"), ElementsAre("done", "done"));
    settle();
    expectBound(3, {nic});
    expectBound(5, {twin});
    EXPECT_EQ(client().group(3, "Rule"), "both-nics");
}

TEST_F(ChangeTest, BindByIdTakesEveryDeviceOfIt) {
    startNative();
    EXPECT_THAT(client().bindAndWait("8086:10d3"), ElementsAre("done", "done"));
    settle();
    expectBound(3, {nic});
    expectBound(5, {twin});
}

TEST_F(ChangeTest, BindByClassTakesTheCard) {
    startNative();
    EXPECT_THAT(client().bindAndWait("10de::0300"), ElementsAre("done"));
    settle();
    expectBound(1, {gpu, audio});
}

TEST_F(ChangeTest, BindByGroupAndByShortAddress) {
    startNative();
    EXPECT_THAT(client().bindAndWait("group/3"), ElementsAre("done"));
    EXPECT_THAT(client().bindAndWait("03:00.0"), ElementsAre("done"));
    settle();
    expectBound(3, {nic});
    expectBound(5, {twin});
}

/// Case 59: the twin of the same id stays, with new_id too.
TEST_F(ChangeTest, TheTwinStaysNativeWithNewId) {
    startNative();
    EXPECT_THAT(client().bindAndWait(nic, {{"method", text("new-id")}}), ElementsAre("done"));
    settle();
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    EXPECT_EQ(driverOf(twin), "e1000e");
    EXPECT_EQ(client().group(5, "State"), "native");
    EXPECT_THAT(client().releaseAndWait(nic), ElementsAre("done"));
    EXPECT_EQ(driverOf(nic), "e1000e");
}

/// Case 16.
TEST_F(ChangeTest, ASecondBindHasNoJobAndMakesNoWrite) {
    startNative();
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    settle();
    tell("clear-writes");
    client().synchronise();
    EXPECT_THAT(client().bind(gpu), IsEmpty());
    EXPECT_THAT(client().bind(audio), IsEmpty()) << "and at once again";
    Group group(client().connection(), 1);
    EXPECT_EQ(group.Bind({}), "/");
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().audit(), "");
    EXPECT_THAT(client().changed(), IsEmpty());
}

TEST_F(ChangeTest, ReleaseGivesBackToTheNativeDrivers) {
    startNative();
    const auto before = machineState();
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    EXPECT_THAT(client().releaseAndWait(gpu), ElementsAre("done"));
    settle();
    EXPECT_EQ(machineState(), before) << "drivers and overrides are as they were";
    EXPECT_EQ(client().group(1, "State"), "native");
    EXPECT_EQ(client().group(1, "Driver"), "");
    EXPECT_EQ(client().group(1, "Node"), "");
    tell("clear-writes");
    EXPECT_THAT(client().release(gpu), IsEmpty());
    settle();
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(ChangeTest, AGroupsOwnMethodsDoTheSame) {
    startNative();
    Group group(client().connection(), 1);
    const auto [possible, blockers, steps] = group.Check({});
    EXPECT_TRUE(possible);
    EXPECT_THAT(blockers, IsEmpty());
    EXPECT_THAT(steps, testing::Contains("unbind " + gpu + " nouveau"));
    EXPECT_EQ(client().resultOf(group.Bind({})), "done");
    settle();
    expectBound(1, {gpu, audio});
    EXPECT_EQ(client().resultOf(group.Release({})), "done");
    settle();
    EXPECT_EQ(driverOf(gpu), "nouveau");
}

TEST_F(ChangeTest, CheckSaysTheStepsAndTouchesNothing) {
    startNative();
    const auto before = machineState();
    const auto found = client().check(gpu);
    EXPECT_TRUE(found.possible);
    EXPECT_THAT(found.blockers, IsEmpty());
    EXPECT_THAT(found.steps, ElementsAre("override " + gpu + " vfio-pci", "override " + audio + " vfio-pci",
                                         "unbind " + gpu + " nouveau", "unbind " + audio + " snd_hda_intel",
                                         "bind " + gpu + " vfio-pci", "bind " + audio + " vfio-pci",
                                         "verify " + gpu + " vfio-pci", "verify " + audio + " vfio-pci"));
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(machineState(), before);
    EXPECT_EQ(client().group(1, "State"), "native");
    EXPECT_EQ(client().audit(), "");
    EXPECT_THAT(client().changedOf(groupPath(1)), IsEmpty());
    EXPECT_THAT(client().changedOf(bus::rootPath), IsEmpty());
}

/// Busy is for a job that runs: a look at the group keeps nobody out.
TEST_F(ChangeTest, ChecksAtTheSameTimeAreAllAnswered) {
    startNative();
    const auto proxy = sdbus::createProxy(client().connection(), bus::BusName{bus::busName},
                                          sdbus::ObjectPath{bus::rootPath});
    bus::finishRegistration(*proxy);
    std::vector<std::string> errors;
    const auto note = [&errors](bus::AsyncError error, auto&&...) {
        errors.push_back(error ? std::string(error->getName()) : "");
    };
    using Blockers = std::vector<sdbus::Struct<std::string, std::string, std::string>>;
    using Names = std::vector<std::string>;
    using Paths = std::vector<sdbus::ObjectPath>;
    for (int i = 0; i < 3; ++i)
        proxy->callMethodAsync("Check")
            .onInterface(managerInterface)
            .withArguments(gpu, Options{})
            .uponReplyInvoke(
                [&](bus::AsyncError error, bool, const Blockers&, const Names&) { note(error); });
    proxy->callMethodAsync("Bind")
        .onInterface(managerInterface)
        .withArguments(gpu, Options{})
        .uponReplyInvoke([&](bus::AsyncError error, const Paths&) { note(error); });
    client().waitFor("the answers", [&] { return errors.size() == 4; });
    EXPECT_THAT(errors, ElementsAre("", "", "", ""));
    client().waitForState(1, "bound");
}

TEST_F(ChangeTest, TheDriverThatIsAskedForIsTaken) {
    auto machine = standardMachine();
    machine["drivers"].push_back({{"name", "pci-stub"}, {"module", "pci_stub"}, {"managed-dma", true}});
    start(machine);
    EXPECT_THAT(client().bindAndWait(gpu, {{"driver", text("pci_stub")}}), ElementsAre("done"));
    settle();
    EXPECT_EQ(driverOf(gpu), "pci-stub");
    EXPECT_EQ(client().group(1, "State"), "bound");
    EXPECT_EQ(client().group(1, "Driver"), "pci-stub");
}

/// Case 17, doc/kernel.md 11: "auto" is the variant driver whose alias fits best, and its module is loaded
/// for it.
TEST_F(ChangeTest, AVariantDriverIsLoadedAndTaken) {
    auto machine = standardMachine();
    machine["drivers"].push_back({{"name", "e1000e-vfio-pci"},
                                  {"module", "e1000e_vfio_pci"},
                                  {"override-only-ids", {"8086:10d3"}},
                                  {"managed-dma", true},
                                  {"vfio", true},
                                  {"loaded", false}});
    start(machine);
    EXPECT_EQ(driverOf(nic), "e1000e-vfio-pci");
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(3, "Driver"), "e1000e-vfio-pci");
}

TEST_F(ChangeTest, VfioPciIsLoadedWhenItIsNotThere) {
    auto machine = standardMachine();
    machine["vfio-pci"] = "unloaded";
    start(machine);
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(driverOf(nic), "vfio-pci");
}

/// Case 32, and issue 2: one member fails, and everything is as it was before.
TEST_F(ChangeTest, AFailingWriteRollsBack) {
    startNative();
    const auto before = machineState();
    tell("fail-at vfio-pci/bind <- " + audio + " EBUSY 1000");
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("rolled-back"));
    settle();
    EXPECT_EQ(machineState(), before);
    EXPECT_EQ(client().group(1, "State"), "native");
    const auto error = client().group(1, "LastError").get<std::string>();
    EXPECT_THAT(error, HasSubstr("bind " + audio + " vfio-pci"));
    EXPECT_THAT(error, HasSubstr("/sys/bus/pci/drivers/vfio-pci/bind"));
    EXPECT_THAT(error, HasSubstr("EBUSY"));
}

TEST_F(ChangeTest, AfterAFailureTheNextBindWorksAndClearsTheError) {
    startNative();
    tell("fail 2 EIO");
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("rolled-back"));
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
    settle();
    expectBound(1, {gpu, audio});
    EXPECT_EQ(client().group(1, "LastError"), "");
}

/// Case 33: what could not be put back is said, and stays said.
TEST_F(ChangeTest, WithoutAWorkerACallIsRefusedAndTheNextIsNot) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    client().manager().Release("lan", {});
    client().waitForState(3, "native");
    tell("no-processes");
    const auto refusal = refusalOf([&] { client().bind("8086:10d3"); });
    EXPECT_EQ(refusal.name, "KernelRefused");
    EXPECT_THAT(refusal.message,
                HasSubstr("no worker could be started, so nothing is done: fork of a worker"));
    EXPECT_THAT(client().group(5, "LastError").get<std::string>(), HasSubstr("no worker"));
    tell("processes");
    for (const auto& job : client().bind("8086:10d3"))
        EXPECT_EQ(client().resultOf(job), "done");
    EXPECT_EQ(client().group(3, "State"), "bound");
    EXPECT_EQ(client().group(5, "State"), "bound");
}

TEST_F(ChangeTest, WhenTheRollbackFailsTooTheGroupIsPartial) {
    startNative();
    tell("fail-at vfio-pci/bind <- " + audio + " EBUSY 1000");
    tell("fail-at nouveau/bind <- " + gpu + " EIO 1000");
    EXPECT_THAT(client().bindAndWait(gpu), ElementsAre("failed"));
    settle();
    EXPECT_EQ(client().group(1, "State"), "partial");
    EXPECT_THAT(client().group(1, "LastError").get<std::string>(), HasSubstr(gpu));
}

/// Case 30, 51: the native driver's probe fails; that is no success.
TEST_F(ChangeTest, AReleaseThatEndsWithoutADriverIsNotDone) {
    auto machine = standardMachine();
    start(machine);
    tell("fail-at e1000e/bind <- " + nic + " EIO 1000");
    const auto results = client().releaseAndWait(nic);
    settle();
    EXPECT_THAT(results, ElementsAre("rolled-back"));
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    EXPECT_EQ(client().group(3, "State"), "bound");
}

TEST_F(ChangeTest, ADeviceThatNoModuleServesIsReleasedToNoDriver) {
    const std::string other = "0000:04:00.0";
    auto machine = standardMachine();
    machine["devices"].push_back(networkCard(other, 9, "8086:1533"));
    start(machine);
    EXPECT_THAT(client().bindAndWait(other), ElementsAre("done"));
    EXPECT_THAT(client().releaseAndWait(other), ElementsAre("done"));
    EXPECT_EQ(driverOf(other), "");
    EXPECT_THAT(client().bindAndWait(other), ElementsAre("done"));
    tell("no-index");
    EXPECT_THAT(client().releaseAndWait(other), ElementsAre("rolled-back"))
        << "where modules cannot be looked up, a driver is expected";
    EXPECT_EQ(driverOf(other), "vfio-pci");
}

/// Case 45: somebody takes a device away from us; it is told, and left alone.
TEST_F(ChangeTest, AnotherProgramsChangeIsDriftAndNotFought) {
    start();
    ASSERT_EQ(client().group(3, "State"), "bound");
    tell("clear-writes");
    tell("echo /sys/bus/pci/devices/" + nic + "/driver_override (newline)");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + nic);
    tell("echo /sys/bus/pci/drivers/e1000e/bind " + nic);
    client().waitForState(3, "drifted");
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(client().group(3, "State"), "drifted");
    EXPECT_EQ(client().group(3, "LastError"), nic + " is on e1000e: another program took it from VFIO");
    EXPECT_THAT(client().bindAndWait(nic), ElementsAre("done")) << "until somebody asks";
    EXPECT_EQ(client().group(3, "State"), "bound");
}

TEST_F(ChangeTest, DriverctlIsNamedWhenItLeftItsFile) {
    start();
    tell("put /etc/driverctl.d/" + nic + " e1000e");
    tell("echo /sys/bus/pci/devices/" + nic + "/driver_override e1000e");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + nic);
    tell("echo /sys/bus/pci/drivers/e1000e/bind " + nic);
    client().waitForState(3, "drifted");
    settle();
    EXPECT_EQ(client().group(3, "LastError"),
              nic + " is on e1000e: driverctl (/etc/driverctl.d/" + nic + ") took it from VFIO");
}

/// Case 45: what is taken away from a rule with `keep` is taken back, and its story told in the right order.
TEST_F(ChangeTest, KeepTakesBackAndTellsSoAfterwards) {
    configure("[[bind]]\nname = \"kept\"\ndevices = [\"" + nic + "\"]\nkeep = true\n");
    start();
    ASSERT_EQ(client().group(3, "State"), "bound");
    tell("echo /sys/bus/pci/devices/" + nic + "/driver_override (newline)");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + nic);
    tell("echo /sys/bus/pci/drivers/e1000e/bind " + nic);
    client().waitForState(3, "drifted");
    settle();
    EXPECT_THAT(client().group(3, "LastError").get<std::string>(), HasSubstr("is on e1000e"));
    client().waitForState(3, "bound");
    settle();
    EXPECT_EQ(client().group(3, "LastError"), "");
    EXPECT_EQ(driverOf(nic), "vfio-pci");
    const auto told = log();
    const auto begins = told.rfind("group 3: bind begins");
    const auto again = told.find("all members are on VFIO again");
    ASSERT_NE(begins, std::string::npos);
    ASSERT_NE(again, std::string::npos) << told;
    EXPECT_LT(begins, again);
    EXPECT_EQ(told.find("all members are on VFIO again", again + 1), std::string::npos);
}

TEST_F(ChangeTest, ARuleThatIsGoneTakesNothingBack) {
    configure("[[bind]]\nname = \"kept\"\ndevices = [\"" + nic + "\"]\nkeep = true\n");
    start();
    tell("echo /sys/bus/pci/devices/" + nic + "/driver_override (newline)");
    tell("echo /sys/bus/pci/drivers/vfio-pci/unbind " + nic);
    client().waitForState(3, "drifted");
    configure("");
    client().manager().Reload();
    tell("clear-writes");
    settle();
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_EQ(driverOf(nic), "");
}

} // namespace
} // namespace vfiobind::bustest::change_test
