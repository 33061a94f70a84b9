// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::publish_options_test {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
    const std::vector<ConfigText> texts{{"a.toml", text}};
    const auto policy = parsePolicy(texts);
    return policy ? "no refusal" : str(policy.error());
}

TEST(PublishOptions, AreTakenOneByOneAndALaterFileChangesWhatItSays) {
    std::vector<ConfigText> texts{{"a.toml", "[publish]\nnfd = true\ncdi-kind = 'acme.example/card'\n"},
                                  {"b.toml", "[publish]\ncdi = false\nmetrics = false\n"}};
    const auto policy = parsePolicy(texts);
    ASSERT_TRUE(policy) << str(policy.error());
    EXPECT_EQ(policy->publish, (PublishOptions{false, "acme.example/card", CdiNodes::group, false, true}));
    texts.clear();
    EXPECT_EQ(parsePolicy(texts)->publish,
              (PublishOptions{true, "vfio.bind/group", CdiNodes::group, true, false}));
}

TEST(PublishOptions, CdiNodesAreThoseOfTheGroupOrTheCdevs) {
    const auto nodesOf = [](const std::string& line) {
        return parsePolicy({{"a.toml", "[publish]\n" + line + "\n"}})->publish.cdiNodes;
    };
    EXPECT_EQ(nodesOf("cdi-nodes = 'cdev'"), CdiNodes::cdev);
    EXPECT_EQ(nodesOf("cdi-nodes = 'group'"), CdiNodes::group);
    EXPECT_THAT(refusal("[publish]\ncdi-nodes = 'both'\n"),
                testing::AllOf(HasSubstr("a.toml:2:13: "), HasSubstr("\"both\""), HasSubstr("\"cdev\"")));
}

TEST(PublishOptions, WhatIsWrongIsSaidWithItsPlace) {
    EXPECT_THAT(refusal("[publish]\ncdi-kind = 'vfio'\n"),
                testing::AllOf(HasSubstr("a.toml:2:12: \"vfio\" is no kind"), HasSubstr("vendor/class")));
    EXPECT_THAT(refusal("[publish]\ncdi = 'yes'\n"), HasSubstr("a.toml:2:7: "));
    EXPECT_THAT(refusal("[publish]\nnfd-file = 'x'\n"), HasSubstr("a.toml:2:1: "));
}

TEST(PublishOptions, WhatAKindCanBe) {
    for (const auto* good : {"vfio.bind/group", "a/b", "acme-corp.example/net_card"})
        EXPECT_TRUE(isCdiKind(good)) << good;
    for (const auto* bad : {"", "vfio.bind", "/group", "vfio.bind/", "1acme/card", "acme/card.x",
                            "acme/1card", "acme-/card", "a/b/c", "a b/c"})
        EXPECT_FALSE(isCdiKind(bad)) << bad;
}

} // namespace
} // namespace vfiobind::publish_options_test
