// SPDX-License-Identifier: LGPL-2.1-or-later
#include "watch/listener.h"

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind::listener_test {
namespace {

using namespace std::chrono_literals;

/// poll(2) says at once, each time, that there is something to read: at realtime priority nothing else would
/// run.
TEST(Listener, TriesAgainAfterGrowingPausesAndEndsWhereItsSocketIsNone) {
    std::vector<std::chrono::milliseconds> pauses;
    watch::Listener listener([&](std::chrono::milliseconds pause) { pauses.push_back(pause); });
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    ASSERT_EQ(dup2(ends[0], listener.descriptor()), listener.descriptor());
    close(ends[0]);
    ASSERT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_THROW(listener.next(), std::system_error);
    EXPECT_THAT(pauses, testing::ElementsAre(10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1000ms, 1000ms));
    close(ends[1]);
    pauses.clear();
    EXPECT_THROW(listener.next(), std::system_error) << "the other end is closed";
    EXPECT_EQ(pauses.size(), 9U);
}

} // namespace
} // namespace vfiobind::listener_test
