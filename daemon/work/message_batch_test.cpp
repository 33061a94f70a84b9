// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/message_batch.h"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

namespace vfiobind::message_batch_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class MessageBatchTest : public testing::Test {
protected:
    void SetUp() override { ASSERT_EQ(pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC), 0); }
    void TearDown() override {
        close(ends_[0]);
        close(ends_[1]);
    }

    /// What has come since it was asked last.
    std::vector<WorkMessage> heard() {
        std::array<char, 4096> buffer{};
        const auto n = read(ends_[0], buffer.data(), buffer.size());
        std::vector<WorkMessage> messages;
        std::string text(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
        for (std::size_t end = 0; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
            messages.push_back(decode(text.substr(0, end)).value());
        EXPECT_EQ(text, "") << "part of a line";
        return messages;
    }

    std::array<int, 2> ends_{};
    const Address device_{.bus = 1};
    const WorkMessage override_ = OverrideRead{device_, "vfio-pci"};
    const WorkMessage unbind_ = StepBegun{"unbind 0000:01:00.0 nouveau"};
    const WorkMessage verify_ = StepBegun{"verify 0000:01:00.0 vfio-pci"};
    const WorkMessage done_ = StepEnded{"done"};
    const WorkMessage verdict_ = Verdict{.nothingToDo = true};
};

TEST_F(MessageBatchTest, WhatFollowsAtOnceTakesTheMessageBeforeWithIt) {
    MessageBatch tell(ends_[1], true);
    tell(override_);
    EXPECT_THAT(heard(), IsEmpty());
    tell(verdict_);
    EXPECT_THAT(heard(), ElementsAre(override_, verdict_));
    tell(unbind_);
    EXPECT_THAT(heard(), ElementsAre(unbind_)) << "the write that follows may hang";
    tell(done_);
    EXPECT_THAT(heard(), IsEmpty());
    tell(verify_);
    EXPECT_THAT(heard(), ElementsAre(done_, verify_));
}

TEST_F(MessageBatchTest, TheEndOfTheLastStepDoesNotWaitForAFileThatMayHang) {
    MessageBatch tell(ends_[1], true);
    tell(verify_);
    tell(done_);
    EXPECT_THAT(heard(), ElementsAre(verify_, done_));
}

TEST_F(MessageBatchTest, AfterAFailureNothingWaits) {
    const WorkMessage failed = StepEnded{"EBUSY: Device or resource busy"};
    MessageBatch tell(ends_[1], true);
    tell(unbind_);
    tell(failed);
    EXPECT_THAT(heard(), ElementsAre(unbind_, failed));
    for (const auto& message : {unbind_, done_, override_}) {
        tell(message);
        EXPECT_THAT(heard(), ElementsAre(message)) << "the undoing reads files that may hang";
    }
}

TEST_F(MessageBatchTest, OneThatDoesNotGatherSendsEachAtOnce) {
    MessageBatch tell(ends_[1], false);
    for (const auto& message : {override_, unbind_, done_}) {
        tell(message);
        EXPECT_THAT(heard(), ElementsAre(message));
    }
}

TEST_F(MessageBatchTest, ADaemonThatHasGoneStopsNothing) {
    const auto before = signal(SIGPIPE, SIG_IGN);
    close(ends_[0]);
    MessageBatch tell(ends_[1], false);
    tell(unbind_);
    tell(done_);
    ends_[0] = dup(ends_[1]); // for TearDown
    signal(SIGPIPE, before);
}

} // namespace
} // namespace vfiobind::message_batch_test
