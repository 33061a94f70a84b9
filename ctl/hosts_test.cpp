// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hosts.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <system_error>

namespace vfiobind::ctl::hosts_test {
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

TEST(Hosts, StandInOneTable) {
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

TEST(Hosts, AReasonIsWrapped) {
    EXPECT_THAT(renderHosts(answers(), Style{.columns = 60}, false),
                HasSubstr("node3           -  unreachable  no answer within 30 s; ssh\n"
                          "                                says: it is dark\n"));
}

TEST(Hosts, WhatIsNoDescriptionIsSaid) {
    for (const char* text : {"", "[]", "{}", R"({"config-error": "", "warnings": [], "groups": [{}]})"})
        EXPECT_THAT(renderHosts({{"box", text, ""}}, Style{}, false),
                    HasSubstr("box       -  unreachable  its daemon's description"))
            << text;
}

TEST(Hosts, InJsonEachHasItsStateOrItsReason) {
    const auto document = json::parse(hostsJson(answers()));
    ASSERT_EQ(document["hosts"].size(), 4U);
    EXPECT_EQ(document["hosts"][0]["host"], "node1");
    EXPECT_EQ(document["hosts"][0]["error"], "");
    EXPECT_EQ(document["hosts"][0]["state"], json::parse(answers()[0].document));
    EXPECT_EQ(document["hosts"][2]["error"], answers()[2].error);
    EXPECT_TRUE(document["hosts"][2]["state"].is_null());
}

/// While it lives, `ssh` is this script.
class FakeSsh {
public:
    explicit FakeSsh(const std::string& script) : before_(getenv("PATH")) {
        folder_ = testing::TempDir() + "fake-ssh-XXXXXX";
        if (mkdtemp(folder_.data()) == nullptr)
            throw std::system_error(errno, std::generic_category(), folder_);
        std::ofstream(folder_ + "/ssh") << "#!/bin/sh\n" << script << '\n';
        std::filesystem::permissions(folder_ + "/ssh", std::filesystem::perms::owner_all);
        setenv("PATH", (folder_ + ':' + before_).c_str(), 1);
    }
    ~FakeSsh() {
        setenv("PATH", before_.c_str(), 1);
        std::filesystem::remove_all(folder_);
    }
    FakeSsh(const FakeSsh&) = delete;
    FakeSsh& operator=(const FakeSsh&) = delete;

private:
    std::string before_;
    std::string folder_;
};

TEST(Hosts, OneThatDoesNotAnswerHoldsUpTheOthersForTheLimitOnly) {
    const FakeSsh ssh("case \"$*\" in *' dark '*) exec sleep 600 ;; esac; echo it is off >&2; exit 255");
    const auto answers = askHosts({"dark", "off"}, std::chrono::seconds(1));
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers[0].error, "no answer within 1 s");
    EXPECT_THAT(answers[1].error, HasSubstr("; ssh says: it is off"));
    EXPECT_THAT(answers[1].error, HasSubstr("the system bus of off cannot be reached"));
}

TEST(Hosts, MoreThanAreAskedAtOnceAllGetTheirTurn) {
    const FakeSsh ssh("exit 255");
    std::vector<std::string> hosts;
    for (unsigned i = 0; i < 70; ++i)
        hosts.push_back("node" + std::to_string(i));
    const auto answers = askHosts(hosts, std::chrono::minutes(1));
    ASSERT_EQ(answers.size(), hosts.size());
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        EXPECT_EQ(answers[i].host, hosts[i]);
        EXPECT_THAT(answers[i].error, HasSubstr("the system bus of " + hosts[i] + " cannot be reached"));
    }
}

} // namespace
} // namespace vfiobind::ctl::hosts_test
