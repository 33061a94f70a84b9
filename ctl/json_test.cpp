// SPDX-License-Identifier: LGPL-2.1-or-later
#include "json.h"

#include "test_snapshot.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl::json_test {
namespace {

using nlohmann::json;

constexpr const char* document = R"({
    "rules": [],
    "groups": [{"number": 5, "state": "native", "devices": ["0000:03:00.0"]},
               {"number": 22, "state": "bound", "devices": ["0000:01:00.0", "0000:01:00.1"], "later": "kept"}],
    "devices": [{"address": "0000:01:00.0"}, {"address": "0000:01:00.1"}, {"address": "0000:03:00.0"}],
    "jobs": [{"id": 7, "group": 22}, {"id": 8, "group": 5}]})";

TEST(Json, StatusIsDescribesDocumentReadAndWrittenAgain) {
    const auto shown = statusJson(document);
    ASSERT_TRUE(shown) << shown.error();
    EXPECT_EQ(json::parse(*shown), json::parse(document));
    EXPECT_TRUE(shown->starts_with("{\n \"rules\": [],\n \"groups\": [\n"))
        << *shown; // in lines, in its order
}

TEST(Json, ShowIsThePartOfDescribeThatTheTargetTouches) {
    const auto shown =
        showJson(document, {{"/org/vfiobind1/group/22"}, {"/org/vfiobind1/device/0000_01_00_0"}});
    ASSERT_TRUE(shown) << shown.error();
    EXPECT_EQ(json::parse(*shown), json::parse(R"({
        "groups": [{"number": 22, "state": "bound", "devices": ["0000:01:00.0", "0000:01:00.1"], "later": "kept"}],
        "devices": [{"address": "0000:01:00.0"}, {"address": "0000:01:00.1"}],
        "jobs": [{"id": 7, "group": 22}]})"));
}

TEST(Json, ADescriptionThatCannotBeReadIsSaid) {
    for (const char* text : {"", "[]", "{}", R"({"rules": [], "groups": {}, "devices": [], "jobs": []})"}) {
        const auto status = statusJson(text);
        ASSERT_FALSE(status) << text;
        EXPECT_TRUE(status.error().starts_with("the daemon's description")) << status.error();
    }
    const auto shown = showJson(R"({"rules": [], "groups": [{}], "devices": [], "jobs": []})", {});
    ASSERT_FALSE(shown);
    EXPECT_TRUE(shown.error().starts_with("the daemon's description")) << shown.error();
}

TEST(Json, LeasesHaveUserAndTime) {
    GroupState group;
    group.leases = {{1000, 1'700'000'000'000'000}};
    const json shown = toJson(group);
    EXPECT_EQ(shown["leases"], json::parse(R"([{"uid": 1000, "since-usec": 1700000000000000}])"));
}

TEST(Json, PathsBecomeAddressesAndNumbers) {
    EXPECT_EQ(addressOfPath("/org/vfiobind1/device/0000_01_00_0").str(), "0000:01:00.0");
    EXPECT_EQ(addressOfPath("/org/vfiobind1/device/10000_e1_00_0").str(), "10000:e1:00.0"); // case 53
    EXPECT_THROW(addressOfPath("/"), std::runtime_error);
    DeviceState device;
    device.address = "0000:01:00.0";
    device.group = "/org/vfiobind1/group/22";
    device.vendor = 0x10de;
    device.physicalFunction = "/";
    device.serial = "00-11-22-ff-fe-33-44-55";
    const json shown = toJson(device);
    EXPECT_EQ(shown["group"], 22);
    EXPECT_EQ(shown["vendor"], "10de");
    EXPECT_EQ(shown["serial"], "00-11-22-ff-fe-33-44-55");
    EXPECT_TRUE(shown["physical-function"].is_null());
    device.group = "/";
    EXPECT_TRUE(json(toJson(device))["group"].is_null());
}

TEST(Json, FilesForOtherMachinesHaveTheirReason) {
    const json shown = toJson(ManagerState{.absentFiles = {{"a.toml", "it is for host \"x\""}}});
    EXPECT_EQ(shown["absent-files"], json::parse(R"([{"file": "a.toml", "why": "it is for host \"x\""}])"));
}

TEST(Json, CheckIsAllThatCheckSaid) {
    const json check =
        json::parse(checkJson("disk", {false, {{"mounted", "0000:02:00.0", "holds /"}}, {"a step"}}));
    EXPECT_EQ(check, json::parse(R"({"target": "disk", "possible": false, "steps": ["a step"],
        "blockers": [{"code": "mounted", "device": "0000:02:00.0", "sentence": "holds /"}]})"));
}

TEST(Json, JobsCarryTheirResultAndError) {
    const JobState job{"/org/vfiobind1/job/3", 3, "bind", "/org/vfiobind1/group/22", "running",
                       {{"a", "EBUSY"}},       9};
    EXPECT_EQ(json::parse(jobsJson("guest-gpu", {{job, "rolled-back"}}, {"a: EBUSY"})), json::parse(R"({
        "target": "guest-gpu", "jobs": [{"id": 3, "kind": "bind", "group": 22, "state": "running",
        "steps": [{"step": "a", "result": "EBUSY"}], "started-usec": 9, "result": "rolled-back", "error": "a: EBUSY"}]})"));
}

TEST(Json, ATargetThatIsNotUtf8DoesNotThrow) {
    EXPECT_EQ(json::parse(checkJson("\xff", {}))["possible"], false);
}

} // namespace
} // namespace vfiobind::ctl::json_test
