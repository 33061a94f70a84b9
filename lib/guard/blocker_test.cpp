// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/blocker.h"

#include <gtest/gtest.h>

namespace vfiobind::blocker_test {
namespace {

TEST(Blocker, EachReadsTheDetailsOfHisOwnProcesses) {
    const Blockers found{{.code = "held-by-vm",
                          .device = {},
                          .sentence = "in use by qemu (pid 8), qemu (pid 81)",
                          .details = {{1000, "qemu (pid 8)", "qemu (VM a) (pid 8)"},
                                      {1001, "qemu (pid 81)", "qemu (VM b) (pid 81)"}}}};
    EXPECT_EQ(str(found), "held-by-vm: in use by qemu (pid 8), qemu (pid 81)");
    const auto seenBy = [&](unsigned uid) { return forReader(found, uid).front(); };
    EXPECT_EQ(seenBy(0).sentence, "in use by qemu (VM a) (pid 8), qemu (VM b) (pid 81)");
    EXPECT_EQ(seenBy(1001).sentence, "in use by qemu (pid 8), qemu (VM b) (pid 81)");
    EXPECT_EQ(seenBy(2000).sentence, found.front().sentence);
    EXPECT_TRUE(seenBy(2000).details.empty());
}

} // namespace
} // namespace vfiobind::blocker_test
