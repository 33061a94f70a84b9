// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/holder_watch.h"

#include <array>
#include <gtest/gtest.h>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

namespace vfiobind::holder_watch_test {
namespace {

using namespace std::chrono_literals;

TEST(HolderWatch, CallsWhenAProcessHasEnded) {
    EventLoop loop;
    std::array<int, 2> word{};
    ASSERT_EQ(pipe(word.data()), 0);
    const int child = fork();
    if (child == 0) {
        char byte = 0;
        close(word[1]);
        _exit(read(word[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(word[0]);
    int calls = 0;
    std::optional<HolderWatch> watch;
    watch.emplace(loop, std::set<unsigned>{static_cast<unsigned>(child)}, 1h, [&] {
        ++calls;
        watch.reset();
    });
    ASSERT_GE(sd_event_run(loop.raw(), 0), 0);
    EXPECT_EQ(calls, 0);
    close(word[1]);
    while (calls == 0)
        ASSERT_GT(sd_event_run(loop.raw(), 60'000'000), 0) << "the end was not seen";
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    EXPECT_FALSE(watch);
}

TEST(HolderWatch, CallsWhenTheTimeIsOver) {
    EventLoop loop;
    int calls = 0;
    const HolderWatch watch(loop, {}, 1ms, [&] { ++calls; });
    while (calls == 0)
        ASSERT_GT(sd_event_run(loop.raw(), 60'000'000), 0) << "the time was not seen";
    EXPECT_EQ(calls, 1);
}

} // namespace
} // namespace vfiobind::holder_watch_test
