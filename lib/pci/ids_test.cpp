// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/ids.h"

#include <gtest/gtest.h>

namespace vfiobind::ids_test {
namespace {

TEST(Ids, ReadsModaliasesAndWritesThemAgain) {
    struct Row {
        std::string_view modalias;
        Ids ids;
        std::string_view printed;
        std::uint16_t classId;
    };
    const Row rows[] = {
        {"pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i00",
         {0x10de, 0x1284, 0x1458, 0x36ff, 0x030000},
         "10de:1284",
         0x0300},
        {"pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00",
         {0x8086, 0x10d3, 0x8086, 0, 0x020000},
         "8086:10d3",
         0x0200},
        {"pci:v0000144Dd0000A80Asv0000144Dsd0000A801bc01sc08i02",
         {0x144d, 0xa80a, 0x144d, 0xa801, 0x010802},
         "144d:a80a",
         0x0108},
        {"pci:v00000000d00000000sv00000000sd00000000bc00sc00i00", {0, 0, 0, 0, 0}, "0000:0000", 0},
        {"pci:v0000FFFFd0000FFFFsv0000FFFFsd0000FFFFbcFFscFFiFF",
         {0xffff, 0xffff, 0xffff, 0xffff, 0xffffff},
         "ffff:ffff",
         0xffff},
    };
    for (const auto& row : rows) {
        const auto ids = Ids::fromModalias(row.modalias);
        ASSERT_TRUE(ids) << ids.error();
        EXPECT_EQ(*ids, row.ids);
        EXPECT_EQ(ids->modalias(), row.modalias);
        EXPECT_EQ(ids->str(), row.printed);
        EXPECT_EQ(ids->classId(), row.classId);
        EXPECT_EQ(ids->baseClass(), row.classId >> 8);
    }
}

TEST(Ids, RefusesWhatIsNoPciModalias) {
    const std::string_view rows[] = {
        "",
        "pci:",
        "usb:v1D6Bp0002d0601dc09dsc00dp01ic09isc00ip00in00",
        "pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i0",       // cut off
        "pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i00\n",    // not stripped
        "pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i00i00",   // more behind it
        "pci:v000110DEd00001284sv00001458sd000036FFbc03sc00i00",      // a vendor wider than 16 bits
        "pci:v000010DEd00001284sv00001458sd000036FFbc03scg0i00",      // no digit
        "pci:v000010DEd*sv*sd*bc03sc00i00",                           // a driver's pattern, not a device
        "vfio_pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i00", // a driver's pattern, not a device
    };
    for (const auto& row : rows)
        EXPECT_FALSE(Ids::fromModalias(row)) << row;
    EXPECT_EQ(Ids::fromModalias("pci:v1\n").error(), "\"pci:v1\\n\" is no PCI modalias: it is written like "
                                                     "pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i00");
}

} // namespace
} // namespace vfiobind::ids_test
