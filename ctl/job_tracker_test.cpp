// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_tracker.h"

#include "changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::job_tracker_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* one = "/org/vfiobind1/job/1";
constexpr const char* two = "/org/vfiobind1/job/2";
constexpr const char* group = "/org/vfiobind1/group/22";

JobState job(const char* path, std::vector<JobStep> steps, const char* state = "running") {
    return {path, 1, "bind", group, state, std::move(steps), 1};
}

TEST(JobTracker, NoJobsIsFinished) {
    JobTracker tracker;
    tracker.await({});
    EXPECT_TRUE(tracker.finished());
    EXPECT_THAT(tracker.ends(), IsEmpty());
}

TEST(JobTracker, EachStepIsShownOnceWhenItHasEnded) {
    JobTracker tracker;
    tracker.await({one});
    tracker.update(job(one, {{"a", "done"}, {"b", ""}}));
    EXPECT_THAT(tracker.takeLines(), ElementsAre("group/22: a: done"));
    EXPECT_THAT(tracker.takeLines(), IsEmpty());
    tracker.update(job(one, {{"a", "done"}, {"b", "EBUSY"}}));
    EXPECT_THAT(tracker.takeLines(), ElementsAre("group/22: b: EBUSY"));
}

TEST(JobTracker, SignalsBeforeTheReplyAreNotLost) {
    JobTracker tracker;
    tracker.update(job(one, {{"a", "done"}}));
    tracker.removed(one, group, "done");
    EXPECT_THAT(tracker.takeLines(), IsEmpty()); // nobody knows yet that it is ours
    tracker.await({one});
    EXPECT_TRUE(tracker.finished());
    EXPECT_THAT(tracker.takeLines(), ElementsAre("group/22: a: done"));
    ASSERT_EQ(tracker.ends().size(), 1U);
    EXPECT_EQ(tracker.ends()[0].result, "done");
}

TEST(JobTracker, JobsOfOthersAreNeitherShownNorWaitedFor) { // case 46
    JobTracker tracker;
    tracker.await({one});
    tracker.update(job(two, {{"theirs", "done"}}));
    tracker.removed(two, group, "failed");
    EXPECT_FALSE(tracker.finished());
    EXPECT_THAT(tracker.takeLines(), IsEmpty());
    EXPECT_THAT(tracker.pending(), ElementsAre("job/1 (/org/vfiobind1/job/1)"));
}

TEST(JobTracker, WaitsForAllOfItsJobs) {
    JobTracker tracker;
    tracker.await({one, two});
    tracker.removed(two, group, "rolled-back");
    EXPECT_FALSE(tracker.finished());
    tracker.removed(one, group, "done");
    EXPECT_TRUE(tracker.finished());
    EXPECT_EQ(tracker.ends()[0].result, "done");
    EXPECT_EQ(tracker.ends()[1].result, "rolled-back");
}

TEST(JobTracker, AJobThatHangsIsNotWaitedFor) { // case 36
    JobTracker tracker;
    tracker.await({one});
    tracker.update(job(one, {{"unbind", ""}}, "stuck"));
    EXPECT_TRUE(tracker.finished());
    EXPECT_EQ(tracker.ends()[0].result, "stuck");
    EXPECT_THAT(tracker.pending(), IsEmpty());
}

TEST(Changes, SayWhatAPersonWouldWantToKnow) {
    GroupState before;
    before.number = 22;
    before.state = "bound";
    before.viable = true;
    before.holders = {{812, "qemu"}};
    GroupState after = before;
    EXPECT_THAT(changes(before, after), IsEmpty());
    after.state = "drifted";
    after.viable = false;
    after.holders.clear();
    EXPECT_THAT(changes(before, after),
                ElementsAre("group/22: bound -> drifted", "group/22: no longer viable",
                            "group/22: no longer in use"));
}

TEST(Changes, SayWhoLeases) {
    GroupState before;
    before.number = 22;
    before.leases = {{0, 1'000'000}};
    GroupState after = before;
    after.leases.push_back({4294967294, 0});
    EXPECT_THAT(changes(before, after),
                ElementsAre(testing::StartsWith("group/22: leased by uid 4294967294 since 19")));
    EXPECT_THAT(changes(after, before), ElementsAre("group/22: a lease has ended, 1 left"));
    EXPECT_THAT(changes(before, GroupState{.number = 22}), ElementsAre("group/22: no longer leased"));
}

TEST(Changes, OfADeviceItIsTheDriver) {
    DeviceState before;
    before.address = "0000:01:00.0";
    before.driver = "nouveau";
    DeviceState after = before;
    after.driver.clear();
    EXPECT_THAT(changes(before, after), ElementsAre("0000:01:00.0: driver nouveau -> none"));
}

TEST(Changes, OfAJobItIsTheStepsThatHaveEnded) {
    const JobState before = job(one, {{"a", "done"}, {"b", ""}});
    const JobState after = job(one, {{"a", "done"}, {"b", "done"}, {"c", "begun"}});
    EXPECT_THAT(changes(before, after), ElementsAre("group/22: b: done"));
}

} // namespace
} // namespace vfiobind::ctl::job_tracker_test
