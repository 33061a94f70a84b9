// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/text.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace vfiobind::text_test {
namespace {

using namespace std::string_literals;

TEST(Text, QuotesForOneLineOfValidUtf8) {
    struct Row {
        std::string text;
        std::string quoted;
    };
    const Row rows[] = {
        {"", R"("")"},
        {"10de:1284", R"("10de:1284")"},
        {"a\nb\tc\rd", R"("a\nb\tc\rd")"},
        {"a\0b\x1b[31m\x7f"s, R"("a\x00b\x1b[31m\x7f")"},
        {R"(say "a\b")", R"("say \"a\\b\"")"},
        {"größe €😀", "\"größe €😀\""},
        {"\xff\xc3", R"("\xff\xc3")"},                 // no UTF-8
        {"\xc0\xaf", R"("\xc0\xaf")"},                 // overlong /
        {"\xe0\x80\xaf", R"("\xe0\x80\xaf")"},         // overlong /
        {"\xed\xa0\x80", R"("\xed\xa0\x80")"},         // a surrogate
        {"\xf4\x90\x80\x80", R"("\xf4\x90\x80\x80")"}, // beyond U+10FFFF
        {"\xc2\x9b", R"("\xc2\x9b")"},                 // CSI as a C1 control
        {"\xe2\x80\xae", R"("\xe2\x80\xae")"},         // right-to-left override
        {std::string(64, 'x'), '"' + std::string(64, 'x') + '"'},
        {std::string(65, 'x'), '"' + std::string(64, 'x') + "...\""},
    };
    for (const auto& row : rows)
        EXPECT_EQ(quote(row.text), row.quoted);
}

TEST(Text, MakesSentencesPrintable) {
    EXPECT_EQ(printable("saw \"\\\" and\n" + std::string(100, 'x')),
              "saw \"\\\" and\\n" + std::string(100, 'x'));
    EXPECT_EQ(printable("\x1b]0;ü\xff"), "\\x1b]0;ü\\xff");
    EXPECT_EQ(printable("x\xc2\x9by"), "x\\xc2\\x9by");      // C1 control sequence introducer
    EXPECT_EQ(printable("\xe2\x81\xa7"), "\\xe2\\x81\\xa7"); // right-to-left isolate
}

TEST(Text, Splits) {
    using Parts = std::vector<std::string_view>;
    EXPECT_EQ(split("", ':'), Parts{""});
    EXPECT_EQ(split("a", ':'), Parts{"a"});
    EXPECT_EQ(split(":", ':'), (Parts{"", ""}));
    EXPECT_EQ(split("a::b", ':'), (Parts{"a", "", "b"}));
}

TEST(Text, ReadsHexOfAFixedLength) {
    EXPECT_EQ(parseHex<std::uint16_t>("beEF", 4, 4), 0xbeef);
    EXPECT_EQ(parseHex<std::uint32_t>("ffffffff", 1, 8), 0xffffffffU);
    EXPECT_EQ(parseHex<std::uint16_t>("bee", 4, 4), std::nullopt);
    EXPECT_EQ(parseHex<std::uint16_t>("beef0", 4, 4), std::nullopt);
    EXPECT_EQ(parseHex<std::uint16_t>("be f", 4, 4), std::nullopt);
    EXPECT_EQ(parseHex<std::uint16_t>("-eef", 4, 4), std::nullopt);
    EXPECT_EQ(parseHex<std::uint16_t>("0xef", 4, 4), std::nullopt);
    EXPECT_EQ(parseHex<std::uint8_t>("1ff", 1, 3), std::nullopt); // more digits asked for than the type holds
}

} // namespace
} // namespace vfiobind::text_test
