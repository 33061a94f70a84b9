// SPDX-License-Identifier: LGPL-2.1-or-later
#include "early/group_work.h"

#include "fake/machine.h"
#include "transaction/transaction.h"

#include <cerrno>
#include <filesystem>

namespace vfiobind::early::group_work_test {
namespace {

using namespace fakemachine;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr unsigned nicGroup = 3;

class GroupWorkTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "group-work-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder); }

    GroupPlan plan() {
        ++planned;
        return planGroup(nicGroup, {.by = "test"}, Topology::read(kernel).value(),
                         readDrivers(kernel).value());
    }
    std::string carryOut() {
        return carryOutGroup(kernel, plan(), folder, [this] { return plan(); });
    }
    std::vector<Journal> journals() const { return FileJournalStore(folder).load().journals; }

    /// An earlier run was killed when it had unbound the native driver.
    void cutOff() {
        const auto before = Topology::read(kernel).value().find(*Address::parse(nic))->ids;
        Journal left{.group = nicGroup, .action = Action::bind, .rule = "earlier", .by = "test"};
        left.members.push_back({.device = *Address::parse(nic),
                                .ids = before,
                                .driver = "e1000e",
                                .override = "",
                                .toDriver = "vfio-pci",
                                .toOverride = "vfio-pci"});
        ASSERT_TRUE(FileJournalStore(folder).save(left));
        ASSERT_EQ(overrideTo(kernel, nic, "vfio-pci\n"), 0);
        ASSERT_EQ(unbindIt(kernel, nic), 0);
    }

    FakeKernel kernel = machine();
    std::string folder;
    unsigned planned = 0;
};

TEST_F(GroupWorkTest, IsDoneUnderTheGroupsLock) {
    EXPECT_EQ(carryOut(), "done");
    EXPECT_EQ(kernel.driverOf(nic), "vfio-pci");
    EXPECT_TRUE(std::filesystem::exists(folder + "/lock/3.lock"));
    EXPECT_THAT(journals(), IsEmpty());
}

TEST_F(GroupWorkTest, WithoutTheLockNothingIsWritten) {
    std::filesystem::create_directories(folder + "/lock/3.lock");
    EXPECT_THAT(carryOut(), HasSubstr("3.lock: EISDIR"));
    EXPECT_THAT(kernel.writes(), IsEmpty());
}

TEST_F(GroupWorkTest, WhatWasCutOffIsResolvedFirst) {
    cutOff();
    EXPECT_EQ(carryOut(), "done");
    EXPECT_EQ(planned, 2U) << "the first plan was made before";
    EXPECT_EQ(kernel.driverOf(nic), "vfio-pci");
    EXPECT_THAT(journals(), IsEmpty());
}

TEST_F(GroupWorkTest, AFailureLeadsBackToWhatWasBeforeTheFirstOfThem) {
    cutOff();
    kernel.failWhen([](const FakeWrite& write) { return write.path.ends_with("vfio-pci/bind"); },
                    Fault::error(EINVAL), 100);
    EXPECT_THAT(carryOut(), StartsWith("rolled-back"));
    EXPECT_EQ(kernel.driverOf(nic), "e1000e");
}

TEST_F(GroupWorkTest, WhatCannotBeResolvedIsLeftToTheDaemon) {
    cutOff();
    kernel.failWhen([](const FakeWrite& write) { return write.path.ends_with("e1000e/bind"); },
                    Fault::error(EIO), 100);
    EXPECT_THAT(carryOut(), StartsWith("an earlier transaction was cut off and cannot be resolved: failed"));
    ASSERT_THAT(journals(), SizeIs(1));
    EXPECT_EQ(journals()[0].rule, "earlier");
    EXPECT_EQ(journals()[0].members[0].driver, "e1000e");
    EXPECT_NE(kernel.driverOf(nic), "vfio-pci");
}

/// The group is where it is to be; the sentence is told all the same.
TEST_F(GroupWorkTest, AConsoleThatIsNotTakenBackIsAWarning) {
    const std::string console = "/sys/class/vtconsole/vtcon1/bind";
    kernel.putFile(console, "0\n", true);
    cutOff();
    auto left = journals().at(0);
    left.consoles = {"vtcon1"};
    ASSERT_TRUE(FileJournalStore(folder).save(left));
    kernel.failWhen([&](const FakeWrite& write) { return write.path == console; }, Fault::error(EIO));
    const auto outcome = carryOut();
    EXPECT_TRUE(isDone(outcome)) << outcome;
    EXPECT_THAT(outcome, HasSubstr("done; "));
    EXPECT_THAT(outcome, HasSubstr(console + ": EIO"));
    EXPECT_EQ(kernel.driverOf(nic), "vfio-pci");
}

TEST_F(GroupWorkTest, OnlyWarningsMayFollowWhatIsDone) {
    EXPECT_TRUE(isDone("done"));
    EXPECT_FALSE(isDone("done: a journal stays"));
    EXPECT_FALSE(isDone("rolled-back"));
}

} // namespace
} // namespace vfiobind::early::group_work_test
