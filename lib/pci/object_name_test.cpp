// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/object_name.h"

#include <gtest/gtest.h>

namespace vfiobind::object_name_test {
namespace {

TEST(ObjectName, IsReadAsItIsWritten) {
    for (const Address address : {Address{0, 1, 0, 0}, Address{0x10000, 0xe1, 0x1f, 7}}) // case 53
        EXPECT_EQ(addressNamed(address.objectName()), address);
    for (const char* other : {"", "0000:01:00.0", "0000_01_00", "01_00_0", "0000_01_0_0", "0000_01_00_0_",
                              "00000_01_00_0", "0000_0A_00_0"})
        EXPECT_EQ(addressNamed(other), std::nullopt) << other;
}

} // namespace
} // namespace vfiobind::object_name_test
