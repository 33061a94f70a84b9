// SPDX-License-Identifier: LGPL-2.1-or-later
#include "text.h"

#include <gtest/gtest.h>

namespace vfiobind::ctl::text_test {
namespace {

TEST(Text, WidthCountsColumnsNotBytes) {
    EXPECT_EQ(displayWidth(""), 0U);
    EXPECT_EQ(displayWidth("GeForce"), 7U);
    EXPECT_EQ(displayWidth("Größe"), 5U);
    EXPECT_EQ(displayWidth("日本"), 4U);
    EXPECT_EQ(displayWidth("e\u0301"), 1U);
}

TEST(Text, BytesThatAreNotUtf8CountOneEach) {
    EXPECT_EQ(displayWidth("\xff\xfe"), 2U);
    EXPECT_EQ(displayWidth("\xc0\xaf"), 2U);     // overlong
    EXPECT_EQ(displayWidth("\xed\xa0\x80"), 3U); // surrogate
    EXPECT_EQ(displayWidth("a\xe6\x97"), 3U);    // cut off
}

TEST(Text, CutKeepsWhatFits) {
    EXPECT_EQ(cut("GeForce", 7, true), "GeForce");
    EXPECT_EQ(cut("GeForce", 6, true), "GeFor…");
    EXPECT_EQ(cut("GeForce", 6, false), "GeF...");
    EXPECT_EQ(cut("GeForce", 0, true), "GeForce");
    EXPECT_EQ(cut("GeForce", 1, true), "…");
    EXPECT_EQ(cut("GeForce", 2, false), "..");
}

TEST(Text, CutNeverSplitsACharacterNorLeavesASpaceBeforeTheEllipsis) {
    EXPECT_EQ(cut("日本語", 5, true), "日本…");
    EXPECT_EQ(cut("日本語", 4, true), "日…");
    EXPECT_EQ(cut("Ge Force", 4, true), "Ge…");
}

TEST(Text, PadFillsByWidth) {
    EXPECT_EQ(pad("ö", 3), "ö  ");
    EXPECT_EQ(pad("日", 3), "日 ");
    EXPECT_EQ(pad("long", 2), "long");
}

TEST(Text, WrapBreaksAtSpaces) {
    EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
    EXPECT_EQ(wrap("unbreakable on", 4), (std::vector<std::string>{"unbreakable", "on"}));
    EXPECT_EQ(wrap("  a   b ", 0), (std::vector<std::string>{"a b"}));
    EXPECT_TRUE(wrap("", 10).empty());
}

TEST(Text, AShellTakesAWordAsItIs) {
    EXPECT_EQ(shellWord("a b$c"), "'a b$c'");
    EXPECT_EQ(shellWord("it's"), "'it'\\''s'");
    EXPECT_EQ(shellWord(""), "''");
}

TEST(Text, ColourOnlyWhereItIsOn) {
    Style style;
    EXPECT_EQ(style.paint(Colour::red, "stuck"), "stuck");
    style.colour = true;
    EXPECT_EQ(style.paint(Colour::red, "stuck"), "\033[31mstuck\033[0m");
    EXPECT_EQ(style.paint(Colour::none, "native"), "native");
    EXPECT_EQ(style.paint(Colour::red, ""), "");
}

} // namespace
} // namespace vfiobind::ctl::text_test
