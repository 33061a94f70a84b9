// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/timespan.h"

#include <gtest/gtest.h>

namespace vfiobind::timespan_test {
namespace {

using namespace std::chrono_literals;

TEST(Timespan, ReadsSystemdsSpelling) {
    const std::pair<std::string_view, std::chrono::milliseconds> rows[] = {
        {"30s", 30s},     {"500ms", 500ms},     {"2min", 2min},  {"1h", 1h},
        {"24h", 24h},     {"30 sec", 30s},      {"2m", 2min},    {"1min 30s", 90s},
        {"1min30s", 90s}, {" 1s 1ms ", 1001ms}, {"86400s", 24h}, {"1ms", 1ms},
    };
    for (const auto& [text, span] : rows) {
        const auto read = parseTimespan(text);
        ASSERT_TRUE(read) << read.error();
        EXPECT_EQ(*read, span) << text;
    }
}

TEST(Timespan, RefusesWithASentence) {
    const std::string shape =
        " is no time span: write a number with ms, s, min or h, as in 30s, 500ms or 1min 30s";
    const std::string range = " is no time span: it must be from 1ms to 24h";
    const std::pair<std::string, std::string> rows[] = {
        {"", "\"\"" + shape},
        {"  ", "\"  \"" + shape},
        {"30", "\"30\"" + shape},
        {"s", "\"s\"" + shape},
        {"-1s", "\"-1s\"" + shape},
        {"1.5s", "\"1.5s\"" + shape},
        {"30 days", "\"30 days\"" + shape},
        {"infinity", "\"infinity\"" + shape},
        {"1s\n", "\"1s\\n\"" + shape},
        {"1s 2", "\"1s 2\"" + shape},
        {"0s", "\"0s\"" + range},
        {"25h", "\"25h\"" + range},
        {"23h 61min", "\"23h 61min\"" + range},
        {"4294967295h", "\"4294967295h\"" + range},
        {"99999999999999999999s", "\"99999999999999999999s\"" + range},
    };
    for (const auto& [text, error] : rows) {
        const auto read = parseTimespan(text);
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error(), error);
    }
}

} // namespace
} // namespace vfiobind::timespan_test
