// SPDX-License-Identifier: LGPL-2.1-or-later
#include "hosts.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <system_error>

namespace vfiobind::ctl::hosts_test {
namespace {

using testing::HasSubstr;

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
