// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::bus::options_test {
namespace {

using Strings = std::vector<std::string>;

TEST(Options, AllOfBind) {
    const auto options = parseOptions(Call::bind, {{"driver", sdbus::Variant{std::string("vfio-pci")}},
                                                   {"method", sdbus::Variant{std::string("new-id")}},
                                                   {"allow", sdbus::Variant{Strings{"boot-display"}}},
                                                   {"persist", sdbus::Variant{true}}});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->driver, "vfio-pci");
    EXPECT_EQ(options->method, Method::newId);
    EXPECT_EQ(options->allow, Strings{"boot-display"});
    EXPECT_TRUE(options->persist);
}

TEST(Options, CheckTakesThoseOfBind) {
    const auto options = parseOptions(
        Call::check, {{"method", sdbus::Variant{std::string("new-id")}}, {"persist", sdbus::Variant{true}}});
    ASSERT_TRUE(options) << options.error().sentence;
    EXPECT_EQ(options->method, Method::newId);
}

TEST(Options, AcquireSaysWhatItIsFor) {
    const auto options = parseOptions(Call::acquire, {{"what", sdbus::Variant{std::string("VM win11")}}});
    ASSERT_TRUE(options) << options.error().sentence;
    EXPECT_EQ(options->what, "VM win11");
}

TEST(Options, CodesThatNoRuleCanAllow) {
    EXPECT_TRUE(parseOptions(Call::bind, {{"allow", sdbus::Variant{Strings{"unexpected-member"}}}}));
    EXPECT_TRUE(parseOptions(Call::release, {{"allow", sdbus::Variant{Strings{"leased"}}}}));
}

TEST(Options, WhatIsRefusedAndWhy) {
    struct Row {
        Call call;
        std::string key;
        sdbus::Variant value;
        std::string says;
    };
    const std::vector<Row> table{
        {Call::bind, "dirver", sdbus::Variant{std::string("x")},
         "option 'dirver' is unknown here; there are driver, allow"},
        {Call::release, "driver", sdbus::Variant{std::string("x")}, "there are allow and persist"},
        {Call::check, "persist", sdbus::Variant{std::string("yes")}, "option 'persist' is to be a boolean"},
        {Call::bind, "driver", sdbus::Variant{std::uint32_t{7}}, "option 'driver' is to be a string"},
        {Call::bind, "driver", sdbus::Variant{std::string("../x")}, "'../x' is no driver's name"},
        {Call::bind, "driver", sdbus::Variant{std::string()}, "'' is no driver's name"},
        {Call::bind, "method", sdbus::Variant{std::string("magic")}, "it is override or new-id"},
        {Call::bind, "allow", sdbus::Variant{std::string("mounted")}, "an array of strings"},
        {Call::bind, "allow", sdbus::Variant{Strings{"nonsense"}}, "'nonsense' is no blocker's code"},
        {Call::bind, "allow", sdbus::Variant{Strings{"no-iommu"}}, "no-iommu cannot be allowed"},
        {Call::bind, "allow", sdbus::Variant{Strings{"leased"}}, "leased can be allowed by a Release only"},
        {Call::check, "allow", sdbus::Variant{Strings{"leased"}}, "leased can be allowed by a Release only"},
        {Call::release, "persist", sdbus::Variant{std::string("yes")}, "option 'persist' is to be a boolean"},
        {Call::acquire, "persist", sdbus::Variant{true}, "there are allow, driver, method and what"},
        {Call::acquire, "what", sdbus::Variant{true}, "option 'what' is to be a string"},
        {Call::acquire, "what", sdbus::Variant{std::string("a\nb")}, "'what' has a control character"},
        {Call::bind, "what", sdbus::Variant{std::string("x")}, "option 'what' is unknown here"},
    };
    for (const auto& row : table) {
        const auto options = parseOptions(row.call, {{row.key, row.value}});
        ASSERT_FALSE(options) << row.says;
        EXPECT_EQ(options.error().kind, ApiError::Kind::invalidArgument);
        EXPECT_THAT(options.error().sentence, testing::HasSubstr(row.says));
    }
}

} // namespace
} // namespace vfiobind::bus::options_test
