// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group/group_state.h"

#include <gtest/gtest.h>

namespace vfiobind::group_state_test {
namespace {

TEST(GroupState, Table) {
    const std::vector<std::pair<StateInputs, std::string>> table{
        {{.endpoints = 2}, "native"},
        {{.endpoints = 2, .handedOver = 2}, "native"}, // not ours (case 57)
        {{.wanted = true, .endpoints = 2, .handedOver = 2}, "bound"},
        {{.owned = true, .endpoints = 2, .handedOver = 2}, "bound"}, // case 48
        {{.wanted = true, .endpoints = 2}, "native"},
        {{.wanted = true, .blocked = true, .endpoints = 2}, "blocked"},
        {{.wanted = true, .endpoints = 2, .handedOver = 1}, "partial"},
        {{.wanted = true, .blocked = true, .endpoints = 2, .handedOver = 1}, "partial"},
        {{.wanted = true, .owned = true, .endpoints = 2, .handedOver = 1, .lost = 1}, "drifted"},
        {{.wanted = true, .owned = true, .endpoints = 3, .handedOver = 2},
         "partial"}, // case 15: it gained a member
        {{.owned = true, .endpoints = 2, .lost = 2}, "drifted"},
        {{.binding = true, .wanted = true, .endpoints = 2}, "binding"},
        {{.releasing = true, .owned = true, .endpoints = 2, .handedOver = 2}, "releasing"},
        {{.binding = true, .stuck = true, .endpoints = 2}, "stuck"},
        {{.unresolved = true, .endpoints = 2}, "partial"}, // case 33
        {{.wanted = true}, "native"},
    };
    for (const auto& [in, state] : table)
        EXPECT_EQ(groupState(in), state) << "row " << &in - &table.front().first;
}

} // namespace
} // namespace vfiobind::group_state_test
