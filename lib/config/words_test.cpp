// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/words.h"

#include <gtest/gtest.h>

namespace vfiobind::words_test {
namespace {

TEST(Words, EditDistanceCountsSlips) {
    struct Row {
        std::string_view a, b;
        std::size_t distance;
    };
    const Row rows[] = {
        {"", "", 0},
        {"driver", "driver", 0},
        {"", "abc", 3},
        {"drivr", "driver", 1},
        {"drivver", "driver", 1},
        {"drover", "driver", 1},
        {"drievr", "driver", 1},
        {"disable_vga", "disable-vga", 0},
        {"DRIVER", "driver", 0},
        {"swap", "mounted", 7},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(editDistance(row.a, row.b), row.distance) << row.a << " " << row.b;
        EXPECT_EQ(editDistance(row.b, row.a), row.distance) << row.b << " " << row.a;
    }
    EXPECT_EQ(editDistance(std::string(100000, 'a'), "a"), 63U) << "long words are cut before they cost time";
}

TEST(Words, SuggestsOnlyWhatIsNear) {
    const std::string_view known[] = {"driver", "devices", "keep"};
    EXPECT_EQ(didYouMean("drivers", known), "did you mean \"driver\"?");
    EXPECT_EQ(didYouMean("kepp", known), "did you mean \"keep\"?");
    EXPECT_EQ(didYouMean("colour", known), "");
    EXPECT_EQ(didYouMean("x", {}), "");
    EXPECT_EQ(didYouMeanOrOneOf("colour", known), "write one of driver, devices, keep");
    EXPECT_EQ(didYouMeanOrOneOf("colour", std::span{known}.first(1)), "write driver");
    EXPECT_EQ(nearest("device", known, 2), (std::vector<std::string_view>{"devices", "driver"}));
    EXPECT_EQ(nearest("device", known, 9).size(), 3U);
}

} // namespace
} // namespace vfiobind::words_test
