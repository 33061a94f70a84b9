// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/lease_text.h"

#include <gtest/gtest.h>

namespace vfiobind::lease_text_test {
namespace {

TEST(LeaseText, IsOnePrintableLine) {
    EXPECT_TRUE(checkWhat("VM Büro 日本"));
    EXPECT_TRUE(checkWhat(std::string(128, 'x')));
    const auto tooLong = checkWhat(std::string(129, 'x'));
    ASSERT_FALSE(tooLong);
    EXPECT_EQ(tooLong.error(), "'what' has 129 bytes; it may have at most 128");
    for (const auto* bad : {"a\nb", "\x1b[2J", "\x7f", "\xc2\x9b"})
        EXPECT_FALSE(checkWhat(bad)) << bad;
    EXPECT_TRUE(checkWhat("\xc2\xa0"));
}

} // namespace
} // namespace vfiobind::lease_text_test
