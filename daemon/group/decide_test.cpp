// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group/decide.h"

#include <gtest/gtest.h>
#include <vector>

namespace vfiobind::decide_test {
namespace {

constexpr auto bind = Action::bind;
constexpr auto release = Action::release;

TEST(Decide, Table) {
    const std::vector<std::pair<Situation, Decision>> table{
        {{.endpoints = 2}, Decision::nothing},
        {{.endpoints = 2, .handedOver = 2}, Decision::nothing}, // not ours (case 57)
        {{.wanted = bind, .endpoints = 2}, Decision::bind},
        {{.wanted = bind, .endpoints = 2, .handedOver = 1}, Decision::bind},
        {{.wanted = bind, .endpoints = 2, .handedOver = 2}, Decision::adopt},                  // case 16
        {{.wanted = bind, .endpoints = 2, .handedOver = 2, .owned = true}, Decision::nothing}, // case 39
        {{.wanted = bind}, Decision::nothing},                                                 // bridges only
        {{.busy = true, .wanted = bind, .endpoints = 2}, Decision::nothing},                   // case 46
        {{.busy = true, .wanted = release, .endpoints = 2, .cutOff = true}, Decision::nothing},
        // case 45: another program took it; whether it is taken back is the drift's to say
        {{.wanted = bind, .endpoints = 2, .handedOver = 1, .lost = 1, .owned = true}, Decision::watchDrift},
        {{.wanted = bind, .endpoints = 2, .lost = 2, .owned = true, .refused = true}, Decision::watchDrift},
        {{.wanted = bind, .endpoints = 3, .handedOver = 2, .owned = true}, Decision::bind},         // case 15
        {{.wanted = bind, .endpoints = 2, .handedOver = 1, .unresolved = true}, Decision::nothing}, // case 33
        {{.wanted = bind, .endpoints = 2, .refused = true}, Decision::nothing},
        {{.wanted = bind, .endpoints = 2, .pausing = true}, Decision::nothing},
        // What was refused or has failed may have become as wanted by other means.
        {{.wanted = bind, .endpoints = 2, .handedOver = 2, .refused = true}, Decision::adopt},
        {{.wanted = bind, .endpoints = 2, .handedOver = 2, .pausing = true}, Decision::adopt},
        {{.wanted = release, .endpoints = 2}, Decision::nothing},
        {{.wanted = release, .endpoints = 2, .handedOver = 2, .owned = true}, Decision::nothing}, // case 48
        {{.wanted = release, .endpoints = 2, .handedOver = 2, .owned = true, .cutOff = true},
         Decision::release}, // case 38
        {{.wanted = bind, .endpoints = 2, .cutOff = true}, Decision::bind},
        // The last lease has ended.
        {{.wanted = release, .endpoints = 2, .handedOver = 2, .owned = true, .owed = true},
         Decision::release},
        {{.wanted = release, .endpoints = 2, .handedOver = 1, .owned = true, .owed = true},
         Decision::release},
        {{.wanted = release, .endpoints = 2, .handedOver = 2, .owned = true, .refused = true, .owed = true},
         Decision::awaitHolders},
        {{.wanted = release, .endpoints = 2, .handedOver = 2, .unresolved = true, .owed = true},
         Decision::nothing},
        {{.wanted = release, .endpoints = 2, .handedOver = 2, .pausing = true, .owed = true},
         Decision::nothing},
        {{.busy = true, .wanted = release, .endpoints = 2, .handedOver = 2, .owed = true}, Decision::nothing},
        {{.wanted = release, .endpoints = 2, .owed = true}, Decision::settle}, // it is native
        {{.wanted = bind, .endpoints = 2, .handedOver = 2, .owed = true},
         Decision::settle}, // another wants it
        {{.endpoints = 2, .handedOver = 2, .owned = true, .owed = true}, Decision::settle}, // it is to stay
    };
    for (const auto& [now, decision] : table)
        EXPECT_EQ(decide(now), decision) << "row " << &now - &table.front().first;
}

} // namespace
} // namespace vfiobind::decide_test
