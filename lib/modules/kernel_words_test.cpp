// SPDX-License-Identifier: LGPL-2.1-or-later
#include "modules/kernel_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::kernel_words_test {
namespace {

std::vector<std::string> shown(std::string_view line) {
    std::vector<std::string> all;
    for (const auto& word : kernelWords(line))
        all.push_back(word.name + (word.value ? " = " + *word.value : ""));
    return all;
}

TEST(KernelWords, BlanksInQuotesPartNothing) {
    using testing::ElementsAre;
    EXPECT_THAT(shown("  quiet\tids=10de:1b80,10de:10f0\n"),
                ElementsAre("quiet", "ids = 10de:1b80,10de:10f0"));
    EXPECT_THAT(shown("ids=\"10de:1b80, 10de:10f0\" x"), ElementsAre("ids = 10de:1b80, 10de:10f0", "x"));
    EXPECT_THAT(shown("\"ids=10de:1b80, 10de:10f0\" x"), ElementsAre("ids = 10de:1b80, 10de:10f0", "x"));
    EXPECT_THAT(shown("ids=10de:1b80, 10de:10f0"), ElementsAre("ids = 10de:1b80,", "10de:10f0"));
    EXPECT_THAT(shown("a=b\"c d\"e"), ElementsAre("a = b\"c d\"e"));
}

TEST(KernelWords, QuotesThatNothingClosesGoOnToTheEnd) {
    using testing::ElementsAre;
    EXPECT_THAT(shown("a=\"b c"), ElementsAre("a = b c"));
    EXPECT_THAT(shown("a=\""), ElementsAre("a = "));
    EXPECT_THAT(shown("a=\"\""), ElementsAre("a = "));
    EXPECT_THAT(shown("\"\" \""), ElementsAre("", ""));
    EXPECT_THAT(shown("=a =b=c"), ElementsAre("=a", "=b = c"));
}

TEST(KernelWords, WhatStandsBehindTwoDashesIsForInit) {
    EXPECT_THAT(shown("a -- vfio-pci.ids=10de:1284"), testing::ElementsAre("a"));
}

TEST(KernelWords, AModulesParameterHasADot) {
    const auto words = kernelWords("vfio-pci.ids=1:2 vfio-pci-ids=1:2 root=a.b modprobe.blacklist=a,b-c");
    EXPECT_EQ(moduleParameter(words[0])->module, "vfio_pci");
    EXPECT_EQ(moduleParameter(words[0])->parameter, "ids");
    EXPECT_FALSE(moduleParameter(words[1]));
    EXPECT_FALSE(moduleParameter(words[2]));
    EXPECT_TRUE(listsModule(words, "modprobe.blacklist", "b_c"));
    EXPECT_FALSE(listsModule(words, "modprobe.blacklist", "b"));
}

} // namespace
} // namespace vfiobind::kernel_words_test
