// SPDX-License-Identifier: LGPL-2.1-or-later
// Bind and release again and again: nothing grows. tests/run.sh runs it for a thousand rounds under valgrind.
#include "fixture.h"

#include <cstdlib>

namespace vfiobind::bustest::rounds_test {
namespace {

using testing::ElementsAre;

int rounds() {
    const char* asked = std::getenv("VFIO_BIND_ROUNDS");
    return asked != nullptr ? std::atoi(asked) : 50;
}

class RoundsTest : public BusTest {
protected:
    void goRound() {
        ASSERT_THAT(client().bindAndWait(gpu), ElementsAre("done"));
        ASSERT_THAT(client().releaseAndWait(gpu), ElementsAre("done"));
        client().forget();
    }
};

TEST_F(RoundsTest, LeaveNothingBehind) {
    start();
    goRound(); // the first loads modules, and what is kept once is kept then
    settle();
    const auto before = resources();
    const auto objects = client().objects();
    const auto machine = machineState();
    const int count = rounds();
    ASSERT_GT(count, 0) << "VFIO_BIND_ROUNDS is a number";
    for (int round = 0; round < count && !HasFatalFailure(); ++round)
        goRound();
    settle();
    EXPECT_EQ(resources(), before) << "descriptors, threads, children";
    EXPECT_EQ(differences(objects, client().objects()), "");
    EXPECT_EQ(machineState(), machine);
    std::printf("%d rounds: %ld descriptors, %ld threads, %ld children before and after\n", count,
                before.at(0), before.at(1), before.at(2));
}

} // namespace
} // namespace vfiobind::bustest::rounds_test
