// SPDX-License-Identifier: LGPL-2.1-or-later
// The small parsers of vfio-bindctl import.
#include "import/module_word.h"
#include "import/pci_conf.h"
#include "import/shell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::parts_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string selectorOf(const std::string& id) {
    const auto selector = parseVfioId(id);
    return selector ? selector->str() : selector.error();
}

TEST(VfioId, IsReadAsTheKernelDoes) {
    EXPECT_EQ(selectorOf("10de:1284"), "10de:1284");
    EXPECT_EQ(selectorOf("10DE:0xE0F"), "10de:0e0f");
    EXPECT_EQ(selectorOf("8086:10d3:8086:a01f"), R"({ id = "8086:10d3", subsystem = "8086:a01f" })");
    EXPECT_EQ(selectorOf("8086:10d3:8086"), R"({ id = "8086:10d3", subsystem = "8086:" })");
    EXPECT_EQ(selectorOf("10de:ffffffff:ffffffff:ffffffff:00030000:ffff00ff"), "10de::03xx:00");
    EXPECT_EQ(selectorOf("10de:ffffffff:ffffffff:ffffffff:030000:ffff00"), "10de::0300");
    EXPECT_EQ(selectorOf("10de:1284:ffffffff:ffffffff:030000"), "10de:1284"); // a class without a mask is any
}

TEST(VfioId, WrongOnesSayWhy) {
    EXPECT_THAT(selectorOf("10de"), HasSubstr("written vendor:device"));
    EXPECT_THAT(selectorOf("10de:1284:1:2:3:4:5"), HasSubstr("written vendor:device"));
    EXPECT_THAT(selectorOf("10de:xyz"), HasSubstr("\"xyz\" is no hexadecimal number"));
    EXPECT_THAT(selectorOf("10de:12345"), HasSubstr("four digits"));
    EXPECT_THAT(selectorOf("10de:1284:ffffffff:ffffffff:030000:070000"),
                HasSubstr("no selector with such a mask"));
    EXPECT_THAT(selectorOf("ffffffff:ffffffff"), HasSubstr("every device"));
}

std::vector<std::string> wordsOf(const std::string& text, const std::string& name) {
    for (const auto& assignment : readShell(text).assignments)
        if (assignment.name == name)
            return assignment.words;
    return {"(none)"};
}

TEST(Shell, QuotesAreTakenOff) {
    EXPECT_THAT(wordsOf("A=\"b c\"\n", "A"), ElementsAre("b", "c"));
    EXPECT_THAT(wordsOf("A='b  c'", "A"), ElementsAre("b", "c"));
    EXPECT_THAT(wordsOf("export A=b\\ c # d", "A"), ElementsAre("b c"));
    EXPECT_THAT(wordsOf("A=b\"c d\"'e'", "A"), ElementsAre("bc", "de"));
    EXPECT_THAT(wordsOf("A=\"b \\\n c\"", "A"), ElementsAre("b", "c"));
    EXPECT_THAT(wordsOf("A+=\" b \"", "A"), ElementsAre("b"));
    EXPECT_THAT(wordsOf("A=", "A"), IsEmpty());
    EXPECT_THAT(wordsOf("#A=b\necho 'A=c'", "A"), ElementsAre("(none)"));
}

TEST(Shell, ListsGoOverLines) {
    const auto text = readShell("A=(b # no\n \"c\" ;d)\nB=e\n");
    ASSERT_EQ(text.assignments.size(), 2U);
    EXPECT_THAT(text.assignments[0].words, ElementsAre("b", "c", "d"));
    EXPECT_EQ(text.assignments[1].line, 3U);
    EXPECT_EQ(text.openQuote, 0U);
}

TEST(Shell, WhatNothingClosesIsToldByItsLine) {
    EXPECT_EQ(readShell("A=b\nB='c\nd").openQuote, 2U);
    EXPECT_EQ(readShell("\n\nA=(b\n").openQuote, 3U);
    EXPECT_EQ(readShell("A=b)\n)\n").openQuote, 0U);
}

TEST(PciConf, ReadsWhatTheFileMayHave) {
    Found found;
    const auto settings =
        readPciConf("f",
                    "---\n:filter: '10de:*,8086::0c03' # '\n:short_address: ['07:00.0', \"06:00.0\"]\n"
                    ":device_name:\n  - 'USB.*Host # Controller'\n:nvidia_vendors:\n  - '10de'\n",
                    found);
    ASSERT_EQ(settings.filters.size(), 2U);
    EXPECT_EQ(settings.filters[1].value, "8086::0c03");
    EXPECT_EQ(settings.filters[1].place.str(), "f:2");
    ASSERT_EQ(settings.addresses.size(), 2U);
    EXPECT_EQ(settings.addresses[1].value, "06:00.0");
    ASSERT_EQ(settings.names.size(), 1U);
    EXPECT_EQ(settings.names[0].value, "USB.*Host # Controller");
    EXPECT_TRUE(found.warnings.empty());
    EXPECT_TRUE(readPciConf("f", ":filter: null\n", found).everything);
}

TEST(PciConf, BadLinesAreToldByTheirPlace) {
    Found found;
    EXPECT_EQ(readPciConf("f", "- 'x'\n:filter:\n  - 'a\n  - '10de:'\n", found).filters.size(), 1U);
    ASSERT_EQ(found.warnings.size(), 2U);
    EXPECT_EQ(found.warnings[0].place.str(), "f:1");
    EXPECT_EQ(found.warnings[1].place.str(), "f:3");
    readPciRb("g", "FILTER = get_filter\n", found);
    EXPECT_EQ(found.warnings.at(2).place.str(), "g:1");
}

TEST(ModuleWord, ValuesAreReadAsTheKernelDoes) {
    const auto value = [](const std::string& word) {
        Found found;
        readParameters("vfio-pci", kernelWords(word), {IdsFrom::modprobe, {"f", 1}, "x"}, {}, found);
        return found.options.empty() ? std::string("none") : found.options[0].value ? "yes" : "no";
    };
    for (const auto* word : {"disable_vga", "disable_vga=1", "disable_vga=Y", "disable_vga=on"})
        EXPECT_EQ(value(word), "yes") << word;
    for (const auto* word : {"disable_vga=0", "disable_vga=n", "disable_vga=off"})
        EXPECT_EQ(value(word), "no") << word;
    EXPECT_EQ(value("disable_vga=maybe"), "none");
}

} // namespace
} // namespace vfiobind::ctl::parts_test
