// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/address.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace vfiobind::address_test {
namespace {

using namespace std::string_literals;

TEST(Address, ReadsWhatTheKernelPrints) {
    struct Row {
        std::string_view text;
        Address address;
        std::string_view printed;
        std::string_view object;
    };
    const Row rows[] = {
        {"0000:01:00.0", {0, 1, 0, 0}, "0000:01:00.0", "0000_01_00_0"},
        {"01:00.0", {0, 1, 0, 0}, "0000:01:00.0", "0000_01_00_0"},
        {"ff:1f.7", {0, 0xff, 0x1f, 7}, "0000:ff:1f.7", "0000_ff_1f_7"},
        {"0000:0A:1D.3", {0, 0x0a, 0x1d, 3}, "0000:0a:1d.3", "0000_0a_1d_3"},
        {"0:1:2.3", {0, 1, 2, 3}, "0000:01:02.3", "0000_01_02_3"},
        // case 53: VMD domains begin at 10000; ARI functions show as devices above 0.
        {"10000:e1:00.0", {0x10000, 0xe1, 0, 0}, "10000:e1:00.0", "10000_e1_00_0"},
        {"ffffffff:00:1f.6", {0xffffffff, 0, 0x1f, 6}, "ffffffff:00:1f.6", "ffffffff_00_1f_6"},
        {"0000:03:1e.5", {0, 3, 0x1e, 5}, "0000:03:1e.5", "0000_03_1e_5"},
    };
    for (const auto& row : rows) {
        const auto address = Address::parse(row.text);
        ASSERT_TRUE(address) << row.text << ": " << address.error();
        EXPECT_EQ(*address, row.address) << row.text;
        EXPECT_EQ(address->str(), row.printed);
        EXPECT_EQ(address->objectName(), row.object);
        EXPECT_EQ(Address::parse(address->str()), *address);
    }
}

TEST(Address, RefusesWithASentence) {
    struct Row {
        std::string text;
        std::string error;
    };
    const std::string shape = " is no PCI address: write [domain:]bus:device.function, as in 0000:01:00.0";
    const Row rows[] = {
        {"", "\"\"" + shape},
        {"01:00", "\"01:00\"" + shape},
        {"00.0", "\"00.0\"" + shape},
        {"0:0000:01:00.0", "\"0:0000:01:00.0\"" + shape},
        {"01:00.0.0", "\"01:00.0.0\"" + shape},
        // case 52: what could leave the directory or the line never gets past the parser.
        {"../../../etc/passwd", "\"../../../etc/passwd\"" + shape},
        {"../1:00.0", "\"../1:00.0\"" + shape},
        {"01:00.0\n",
         "\"01:00.0\\n\" is no PCI address: the function, after the dot, is one digit from 0 to 7"},
        {"01:00.0\0"s,
         "\"01:00.0\\x00\" is no PCI address: the function, after the dot, is one digit from 0 to 7"},
        {"\n01:00.0",
         "\"\\n01:00.0\" is no PCI address: the bus is two hexadecimal digits, as in 0000:01:00.0"},
        {"01:00.8", "\"01:00.8\" is no PCI address: the function, after the dot, is one digit from 0 to 7"},
        {"01:00.00", "\"01:00.00\" is no PCI address: the function, after the dot, is one digit from 0 to 7"},
        {"01:00.*", "\"01:00.*\" is no PCI address: the function, after the dot, is one digit from 0 to 7"},
        {"01:20.0", "\"01:20.0\" is no PCI address: the device, before the dot, is two hexadecimal digits "
                    "from 00 to 1f"},
        {"01:000.0", "\"01:000.0\" is no PCI address: the device, before the dot, is two hexadecimal digits "
                     "from 00 to 1f"},
        {"100:00.0", "\"100:00.0\" is no PCI address: the bus is two hexadecimal digits, as in 0000:01:00.0"},
        {"+1:00.0", "\"+1:00.0\" is no PCI address: the bus is two hexadecimal digits, as in 0000:01:00.0"},
        {"0x0000:01:00.0",
         "\"0x0000:01:00.0\" is no PCI address: the domain is one to eight hexadecimal digits, as "
         "in 0000:01:00.0"},
        {"123456789:01:00.0",
         "\"123456789:01:00.0\" is no PCI address: the domain is one to eight hexadecimal "
         "digits, as in 0000:01:00.0"},
        {":01:00.0",
         "\":01:00.0\" is no PCI address: the domain is one to eight hexadecimal digits, as in 0000:01:00.0"},
    };
    for (const auto& row : rows) {
        const auto address = Address::parse(row.text);
        ASSERT_FALSE(address) << row.text;
        EXPECT_EQ(address.error(), row.error);
    }
}

TEST(Address, SortsByPlaceAndHashesApart) {
    const Address a{0, 1, 0, 0};
    EXPECT_LT(a, (Address{0, 1, 0, 1}));
    EXPECT_LT((Address{0, 1, 0, 7}), (Address{0, 1, 1, 0}));
    EXPECT_LT((Address{0, 1, 0x1f, 7}), (Address{0, 2, 0, 0}));
    EXPECT_LT((Address{0, 0xff, 0, 0}), (Address{0x10000, 0, 0, 0}));
    std::unordered_set<std::size_t> hashes;
    for (unsigned bus = 0; bus < 4; ++bus)
        for (unsigned device = 0; device < 32; ++device)
            for (unsigned function = 0; function < 8; ++function)
                hashes.insert(std::hash<Address>{}({0, static_cast<std::uint8_t>(bus),
                                                    static_cast<std::uint8_t>(device),
                                                    static_cast<std::uint8_t>(function)}));
    EXPECT_EQ(hashes.size(), 4U * 32U * 8U);
}

} // namespace
} // namespace vfiobind::address_test
