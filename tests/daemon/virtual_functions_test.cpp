// SPDX-License-Identifier: LGPL-2.1-or-later
// Who asks for virtual functions is answered once, whatever becomes of the worker.
#include "core.h"
#include "fake/fake_lease_store.h"
#include "fake/machine.h"
#include "fake_modules.h"
#include "loop_sysfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <systemd/sd-event.h>

namespace vfiobind::virtual_functions_test {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Its workers tell what the test has them tell, and nothing else.
class ToldExecutor final : public Executor {
public:
    std::unique_ptr<Work> start(WorkOrder order, const Topology&, Listener listener) override {
        if (order.kind == WorkOrder::Kind::createVfs)
            makers.push_back(std::move(listener));
        class Idle final : public Work {
            void go() override {}
        };
        return std::make_unique<Idle>();
    }
    std::vector<Listener> makers;
};

class WishTest : public testing::Test {
protected:
    WishTest() { core_.start(); }

    void wish(std::chrono::milliseconds timeout = 1h) {
        core_.makeFunctions(
            {{card_, VfOrder{.count = 2, .driver = "vfio-pci", .by = "rule vfs", .timeout = timeout}}},
            [this](const std::string& failure) { answers.push_back(failure); });
    }
    void turn(std::chrono::microseconds longest = 0us) {
        ASSERT_GE(sd_event_run(loop_.raw(), static_cast<std::uint64_t>(longest.count())), 0);
    }
    void awaitAnswers(std::size_t count) {
        for (int turns = 0; answers.size() < count && turns < 100; ++turns)
            turn(10s);
        ASSERT_EQ(answers.size(), count);
    }
    void plugAnother() {
        kernel_.hotplug({.address = card_.str(), .ids = "8086:10d3", .classCode = 0x020000, .group = 3});
        core_.deviceEvent(card_, EventOrigin::udev);
    }
    void unplug() {
        kernel_.unplug(card_.str());
        core_.deviceEvent(card_, EventOrigin::udev);
    }

    EventLoop loop_;
    FakeKernel kernel_ = fakemachine::machine();
    LoopSysfs sysfs_{kernel_};
    ToldExecutor executor_;
    FakeModules modules_{loop_, kernel_};
    FakeLeaseStore store_;
    Core core_{loop_,    sysfs_, executor_,
               modules_, store_, Core::Files{.config = "/nonexistent/vfio-bind.toml"}};
    const Address card_ = *Address::parse(fakemachine::nic);
    std::vector<std::string> answers;
};

TEST_F(WishTest, IsAnsweredWhenTheCardGoesWhileItsWorkerRuns) {
    wish();
    wish();
    EXPECT_THAT(answers, IsEmpty());
    unplug();
    const auto gone = fakemachine::nic + " is gone";
    EXPECT_THAT(answers, ElementsAre(gone, gone));
    plugAnother();
    wish();
    ASSERT_EQ(executor_.makers.size(), 2U);
    executor_.makers.back()(Finished{"done", {}, {}});
    awaitAnswers(3);
    EXPECT_THAT(answers, ElementsAre(gone, gone, "")) << "a later worker's end is nothing to the first two";
}

TEST_F(WishTest, IsAnsweredAtOnceWhileAnEarlierWorkerHangs) {
    wish(1ms);
    awaitAnswers(1);
    EXPECT_THAT(answers.at(0), HasSubstr("hangs in the kernel"));
    EXPECT_TRUE(core_.isSettled()) << "what hangs is not waited for";
    wish();
    EXPECT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers.at(1), answers.at(0));
    EXPECT_EQ(executor_.makers.size(), 1U) << "two workers at one card would fight";
}

TEST_F(WishTest, WaitsAgainOnceTheStepThatHungIsThrough) {
    wish(1ms);
    awaitAnswers(1);
    executor_.makers.at(0)(StepBegun{"sriov_numvfs " + fakemachine::nic + " 2"});
    executor_.makers.at(0)(StepEnded{"done"});
    wish();
    EXPECT_EQ(answers.size(), 1U);
    executor_.makers.at(0)(Finished{"done", {}, {}});
    awaitAnswers(2);
    EXPECT_EQ(answers.at(1), "");
    EXPECT_EQ(executor_.makers.size(), 1U);
}

TEST_F(WishTest, ThatComesBetweenTheWorkersDeathAndItsEndIsToldOfTheDeath) {
    wish();
    executor_.makers.at(0)(Died{"the worker was killed"});
    wish();
    awaitAnswers(2);
    EXPECT_THAT(answers, ElementsAre("the worker was killed", "the worker was killed"));
    wish();
    EXPECT_EQ(executor_.makers.size(), 2U) << "and the next is served anew";
}

TEST_F(WishTest, IsToldWhyTheWorkerFailed) {
    wish();
    executor_.makers.at(0)(Finished{"failed", "write sriov_numvfs: EIO", {}});
    awaitAnswers(1);
    EXPECT_THAT(answers, ElementsAre("write sriov_numvfs: EIO"));
}

} // namespace
} // namespace vfiobind::virtual_functions_test
