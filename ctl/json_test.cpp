// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json.h"

#include "test_snapshot.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl {
namespace {

using nlohmann::json;

TEST(Json, ShowHasGroupsWithTheirMembers) {
    const Snapshot snapshot = testSnapshot();
    const auto touched = resolveTarget(snapshot, "guest-gpu");
    ASSERT_TRUE(touched);
    const json shown = json::parse(showJson(snapshot, *touched));
    ASSERT_EQ(shown["Groups"].size(), 1U);
    EXPECT_EQ(shown["Groups"][0]["Number"], 22);
    EXPECT_EQ(shown["Groups"][0]["Members"][0]["Address"], "0000:01:00.0");
    EXPECT_EQ(shown["Groups"][0]["Members"][1]["Driver"], "snd_hda_intel");
    EXPECT_TRUE(shown["Devices"].empty());
}

TEST(Json, CheckIsAllThatCheckSaid) {
    const json check =
        json::parse(checkJson("disk", {false, {{"mounted", "0000:02:00.0", "holds /"}}, {"a step"}}));
    EXPECT_EQ(check, json::parse(R"({"Target": "disk", "Possible": false, "Steps": ["a step"],
        "Blockers": [{"Code": "mounted", "Device": "0000:02:00.0", "Sentence": "holds /"}]})"));
}

TEST(Json, JobsCarryTheirResultAndError) {
    const JobState job{"/org/vfiobind1/job/3", 3, "bind", "/org/vfiobind1/group/22", "running",
                       {{"a", "EBUSY"}},       9};
    const json jobs = json::parse(jobsJson("guest-gpu", {{job, "rolled-back"}}, {"a: EBUSY"}));
    EXPECT_EQ(jobs["Jobs"][0]["Result"], "rolled-back");
    EXPECT_EQ(jobs["Jobs"][0]["Error"], "a: EBUSY");
    EXPECT_EQ(jobs["Jobs"][0]["Steps"][0], json::parse(R"({"Step": "a", "Result": "EBUSY"})"));
}

TEST(Json, ATargetThatIsNotUtf8DoesNotThrow) {
    EXPECT_NO_THROW(json::parse(checkJson("\xff", {})));
}

} // namespace
} // namespace vfiobind::ctl
