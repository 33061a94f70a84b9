// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/group_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::group_names_test {
namespace {

using testing::ElementsAre;
using testing::Pair;

Address at(const char* text) {
    return Address::parse(text).value();
}

TEST(GroupNames, TheFirstGroupOfARuleHasItsNameAndTheOthersTheirFirstDevice) {
    EXPECT_THAT(groupNames({{7, "gpu", at("0000:06:00.1")},
                            {9, "gpu", at("0000:01:00.0")},
                            {3, "nic", at("0000:09:00.0")},
                            {4, "", at("0000:0a:00.0")}}),
                ElementsAre(Pair(3, "nic"), Pair(7, "gpu-0000:06:00.1"), Pair(9, "gpu")));
}

} // namespace
} // namespace vfiobind::group_names_test
