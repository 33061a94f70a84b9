// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hosts_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl::hosts_table_test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json group(unsigned number, const std::string& state, const std::string& rule) {
    return {{"number", number},
            {"state", state},
            {"rule", rule},
            {"last-error", ""},
            {"leases", json::array()},
            {"job", 0},
            {"devices", json::array({"0000:01:00.0", "0000:01:00.1"})},
            {"blockers", json::array()}};
}

HostAnswer answer(const std::string& host, const json& groups, const std::string& configError = "") {
    return {.host = host,
            .document =
                json{{"config-error", configError}, {"warnings", json::array()}, {"groups", groups}}.dump(),
            .error = {}};
}

std::vector<HostAnswer> answers() {
    auto blocked = group(7, "blocked", "disk");
    blocked["blockers"] = json::array({{{"code", "mounted"}, {"device", ""}, {"sentence", "it holds /"}}});
    return {answer("node1", json::array({group(13, "bound", "guest-gpu"), group(14, "native", "")})),
            answer("root@node2", json::array({blocked}), "/etc/vfio-bind.toml:1:1: what"),
            {.host = "node3", .document = {}, .error = "no answer within 30 s; ssh says: it is dark"},
            answer("node4", json::array({group(1, "native", "")}))};
}

TEST(HostsTable, StandInOneTable) {
    EXPECT_EQ(renderHosts(answers(), Style{}, false),
              "HOST        GROUP  STATE        RULE       DEVICES\n"
              "node1          13  bound        guest-gpu  01:00.0 01:00.1\n"
              "root@node2      7  blocked      disk       01:00.0 01:00.1\n"
              "                   mounted: it holds /\n"
              "                   configuration error: /etc/vfio-bind.toml:1:1: what\n"
              "node3           -  unreachable  no answer within 30 s; ssh says: it is dark\n"
              "node4           -  -            no group is bound and no rule asks for one\n");
    EXPECT_THAT(renderHosts(answers(), Style{}, true),
                HasSubstr("node4           1  native                  01:00.0 01:00.1\n"));
}

TEST(HostsTable, AReasonIsWrapped) {
    EXPECT_THAT(renderHosts(answers(), Style{.columns = 60}, false),
                HasSubstr("node3           -  unreachable  no answer within 30 s; ssh\n"
                          "                                says: it is dark\n"));
}

TEST(HostsTable, WhatIsNoDescriptionIsSaid) {
    for (const char* text : {"", "[]", "{}", R"({"config-error": "", "warnings": [], "groups": [{}]})"}) {
        EXPECT_FALSE(isDescription({"box", text, ""})) << text;
        EXPECT_THAT(renderHosts({{"box", text, ""}}, Style{}, false),
                    HasSubstr("box       -  unreachable  its daemon's description"))
            << text;
    }
    EXPECT_FALSE(isDescription(answers()[2]));
}

TEST(HostsTable, ADaemonThatKnowsNoLeasesIsShown) {
    auto old = group(13, "bound", "guest-gpu");
    old.erase("leases");
    EXPECT_TRUE(isDescription(answer("box", json::array({old}))));
    EXPECT_THAT(renderHosts({answer("box", json::array({old}))}, Style{}, false), HasSubstr("13  bound"));
}

TEST(HostsTable, InJsonEachHasItsStateOrItsReason) {
    const auto document = json::parse(hostsJson(answers()));
    ASSERT_EQ(document["hosts"].size(), 4U);
    EXPECT_EQ(document["hosts"][0]["host"], "node1");
    EXPECT_EQ(document["hosts"][0]["error"], "");
    EXPECT_EQ(document["hosts"][0]["state"], json::parse(answers()[0].document));
    EXPECT_EQ(document["hosts"][2]["error"], answers()[2].error);
    EXPECT_TRUE(document["hosts"][2]["state"].is_null());
}

} // namespace
} // namespace vfiobind::ctl::hosts_table_test
