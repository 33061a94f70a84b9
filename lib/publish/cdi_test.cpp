// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/cdi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vfiobind::cdi_test {
namespace {

using testing::ElementsAre;
using testing::Pair;

Address at(const char* text) {
    return Address::parse(text).value();
}

TEST(Cdi, TheSpecHasWhatItsReadersWantAndNothingElse) {
    const auto spec = nlohmann::json::parse(cdiSpec(
        defaultCdiKind, CdiNodes::group, {{"guest-gpu", {"/dev/vfio/22"}}, {"guest-nic", {"/dev/vfio/5"}}}));
    EXPECT_EQ(spec, nlohmann::json::parse(R"({"cdiVersion": "0.5.0", "kind": "vfio.bind/group", "devices": [
        {"name": "guest-gpu", "containerEdits": {"deviceNodes": [{"path": "/dev/vfio/22"}]}},
        {"name": "guest-nic", "containerEdits": {"deviceNodes": [{"path": "/dev/vfio/5"}]}}],
        "containerEdits": {"deviceNodes": [{"path": "/dev/vfio/vfio"}]}})"));
    EXPECT_TRUE(cdiSpec("acme.example/card", CdiNodes::group, {{"a", {"/dev/vfio/1"}}})
                    .contains(R"("kind": "acme.example/card")"));
}

TEST(Cdi, CdevsGoWithIommufdsNode) {
    const auto spec = nlohmann::json::parse(
        cdiSpec(defaultCdiKind, CdiNodes::cdev,
                {{"guest-gpu", {"/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1"}}}));
    EXPECT_EQ(spec.at("devices"),
              nlohmann::json::parse(R"([{"name": "guest-gpu", "containerEdits": {"deviceNodes":
        [{"path": "/dev/vfio/devices/vfio0"}, {"path": "/dev/vfio/devices/vfio1"}]}}])"));
    EXPECT_EQ(spec.at("containerEdits"),
              nlohmann::json::parse(R"({"deviceNodes": [{"path": "/dev/iommu"}]})"));
}

TEST(Cdi, WithoutADeviceThereIsNoSpec) {
    EXPECT_EQ(cdiSpec(defaultCdiKind, CdiNodes::group, {}), "");
}

TEST(Cdi, NamesAreThoseOfTheNodesAndOfAGroupWithoutARuleItsNumber) {
    EXPECT_THAT(
        cdiNames(
            {{7, "gpu", at("0000:06:00.1")}, {9, "gpu", at("0000:01:00.0")}, {4, "", at("0000:0a:00.0")}}),
        ElementsAre(Pair(4, "group-4"), Pair(7, "gpu-0000:06:00.1"), Pair(9, "gpu")));
}

TEST(Cdi, ANameThatIsNotTakenIsMadeToFit) {
    EXPECT_THAT(cdiNames({{1, "_gpu-", at("0000:01:00.0")}, {2, "--", at("0000:02:00.0")}}),
                ElementsAre(Pair(1, "rule-_gpu"), Pair(2, "rule")));
}

TEST(Cdi, NoTwoNamesAreAlike) {
    EXPECT_THAT(
        cdiNames({{1, "gpu-", at("0000:01:00.0")},
                  {2, "rule-gpu", at("0000:02:00.0")},
                  {3, "group-4", at("0000:03:00.0")},
                  {4, "", at("0000:04:00.0")}}),
        ElementsAre(Pair(1, "rule-gpu-1"), Pair(2, "rule-gpu"), Pair(3, "group-4"), Pair(4, "group-4-4")));
}

TEST(Cdi, WhatANameCanBe) {
    for (const auto* good : {"a", "7", "guest-gpu", "a_b.c:d", "gpu-0000:06:00.1"})
        EXPECT_TRUE(isCdiName(good)) << good;
    for (const auto* bad : {"", "-a", "a-", "_a", "a.", "a b", "a/b", "grün"})
        EXPECT_FALSE(isCdiName(bad)) << bad;
}

} // namespace
} // namespace vfiobind::cdi_test
