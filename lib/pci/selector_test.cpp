// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/selector.h"

#include <gtest/gtest.h>

namespace vfiobind::selector_test {
namespace {

using namespace std::string_literals;

constexpr Ids card{0x10de, 0x1284, 0x1458, 0x36ff, 0x030000};
constexpr Ids sound{0x10de, 0x0e0f, 0x1458, 0x36ff, 0x040300};
constexpr Ids nvme{0x144d, 0xa80a, 0x144d, 0xa801, 0x010802};
constexpr Ids display3d{0x1002, 0x73bf, 0x1002, 0x0e3a, 0x038000};

TEST(Selector, ReadsTheStringForms) {
    struct Row {
        std::string_view text;
        std::string_view printed;
    };
    const Row rows[] = {
        {"0000:01:00.0", "0000:01:00.0"},
        {"01:00.0", "0000:01:00.0"},
        {"10000:e1:00.0", "10000:e1:00.0"}, // case 53
        {"10de:1284", "10de:1284"},
        {"10DE:1284", "10de:1284"},
        {"10de:", "10de:"},
        {"10de:*", "10de:"},
        {"*:1284", ":1284"},
        {"::0300", "::0300"},
        {"*:*:0300", "::0300"},
        {"10de::0300", "10de::0300"},
        {"10de:1284:0300", "10de:1284:0300"},
        {"10de:1284:*:*", "10de:1284"},
        {":::02", ":::02"},
        {"::0108:02", "::0108:02"},
        {"::03", "::03xx"},
        {"::03xx", "::03xx"},
        {"::xX00", "::xx00"},
        {"10de::xxxx", "10de:"},
        {"path:0000:00/01.0/00.0", "path:0000:00/01.0/00.0"},
        {"path:0:0/1.0/0.0", "path:0000:00/01.0/00.0"},
        {"path:10000:E0/1D.4", "path:10000:e0/1d.4"},
    };
    for (const auto& row : rows) {
        const auto selector = Selector::parse(row.text);
        ASSERT_TRUE(selector) << row.text << ": " << selector.error();
        EXPECT_EQ(selector->str(), row.printed) << row.text;
        EXPECT_EQ(Selector::parse(selector->str()), *selector) << row.text;
    }
}

TEST(Selector, RefusesWithASentence) {
    struct Row {
        std::string text;
        std::string error;
    };
    const Row rows[] = {
        {"", "\"\" is no selector: write an address (0000:01:00.0), an id (10de:1284, 10de:, ::0300) or a "
             "bridge path "
             "(path:0000:00/01.0/00.0)"},
        {"10de",
         "\"10de\" is no selector: write an address (0000:01:00.0), an id (10de:1284, 10de:, ::0300) or a "
         "bridge path (path:0000:00/01.0/00.0)"},
        {"01:00", "\"01:00\" lacks the function: an address is written 0000:01:00.0"},
        {"0001:02:03", "\"0001:02:03\" lacks the function: an address is written 0001:02:03.0"},
        {"01:00.9", "\"01:00.9\" is no PCI address: the function, after the dot, is one digit from 0 to 7"},
        {":", "\":\" is no id pattern: it names every device of the machine; give at least a vendor, device "
              "or class, "
              "as in 10de:"},
        {"*:*:*:*",
         "\"*:*:*:*\" is no id pattern: it names every device of the machine; give at least a vendor, "
         "device or class, as in 10de:"},
        {"::xxxx",
         "\"::xxxx\" is no id pattern: it names every device of the machine; give at least a vendor, device "
         "or class, as in 10de:"},
        {"10de:128",
         "\"10de:128\" is no id pattern: the device is four hexadecimal digits, or empty or * for any, not "
         "\"128\""},
        {"nvidia:1284",
         "\"nvidia:1284\" is no id pattern: the vendor is four hexadecimal digits, or empty or * for "
         "any, not \"nvidia\""},
        {"0x10de:0x1284", "\"0x10de:0x1284\" is no id pattern: write the vendor \"0x10de\" without 0x"},
        {"10de:0x1284", "\"10de:0x1284\" is no id pattern: write the device \"0x1284\" without 0x"},
        {"::300",
         "\"::300\" is no id pattern: the class is four hexadecimal digits (x for any digit), or two for the "
         "base class, as in 0300 or 03, not \"300\""},
        {"::030000",
         "\"::030000\" is no id pattern: the class is four hexadecimal digits (x for any digit), or two "
         "for the base class, as in 0300 or 03, not \"030000\""},
        {":::2", "\":::2\" is no id pattern: the programming interface is two hexadecimal digits, as in 02, "
                 "not \"2\""},
        {"10de:1284:0300:00:00",
         "\"10de:1284:0300:00:00\" is no id pattern: write vendor:device[:class[:prog-if]], as "
         "in 10de:1284, 10de: or ::0300"},
        // case 52
        {"10de:1284\n",
         "\"10de:1284\\n\" is no id pattern: the device is four hexadecimal digits, or empty or * for "
         "any, not \"1284\\n\""},
        {"10de:\0"s,
         "\"10de:\\x00\" is no id pattern: the device is four hexadecimal digits, or empty or * for any, "
         "not \"\\x00\""},
        {"../../x", "\"../../x\" is no PCI address: write [domain:]bus:device.function, as in 0000:01:00.0"},
        {"path:", "\"\" is no bridge path: it begins with domain and root bus, as in 0000:00/01.0/00.0"},
        {"path:01.0/00.0",
         "\"01.0/00.0\" is no bridge path: it begins with domain and root bus, as in 0000:00/01.0/00.0"},
        {"path:0000:00",
         "\"0000:00\" is no bridge path: after the root bus come device.function of each bridge and of "
         "the device, as in 0000:00/01.0/00.0"},
        {"path:0000:00/", "\"0000:00/\" is no bridge path: \"\" is no device.function from 00.0 to 1f.7"},
        {"path:0000:00/../00.0",
         "\"0000:00/../00.0\" is no bridge path: \"..\" is no device.function from 00.0 to 1f.7"},
        {"path:0000:00/20.0",
         "\"0000:00/20.0\" is no bridge path: \"20.0\" is no device.function from 00.0 to 1f.7"},
        {"path:0000:00/01.0/00.0\n",
         "\"0000:00/01.0/00.0\\n\" is no bridge path: \"00.0\\n\" is no device.function from 00.0 to 1f.7"},
    };
    for (const auto& row : rows) {
        const auto selector = Selector::parse(row.text);
        ASSERT_FALSE(selector) << row.text;
        EXPECT_EQ(selector.error(), row.error);
    }
}

TEST(IdPattern, MatchesAsLspciDoes) {
    struct Row {
        std::string_view pattern;
        bool card, sound, nvme, display3d;
    };
    const Row rows[] = {
        {"10de:1284", true, false, false, false},
        {"10de:", true, true, false, false},
        {"*:a80a", false, false, true, false},
        {"::0300", true, false, false, false},
        {"::03", true, false, false, true},
        {"::03xx", true, false, false, true},
        {"::xx00", true, false, false, false},
        {"10de::0300", true, false, false, false},
        {"10de::0403", false, true, false, false},
        {"10de:1284:0300", true, false, false, false},
        {"10de:1284:0403", false, false, false, false},
        {":::02", false, false, true, false},
        {":::00", true, true, false, true},
        {"::0108:02", false, false, true, false},
        {"::0108:01", false, false, false, false},
    };
    for (const auto& row : rows) {
        const auto pattern = IdPattern::parse(row.pattern);
        ASSERT_TRUE(pattern) << pattern.error();
        EXPECT_EQ(pattern->matches(card), row.card) << row.pattern;
        EXPECT_EQ(pattern->matches(sound), row.sound) << row.pattern;
        EXPECT_EQ(pattern->matches(nvme), row.nvme) << row.pattern;
        EXPECT_EQ(pattern->matches(display3d), row.display3d) << row.pattern;
    }
}

TEST(SubsystemPattern, ReadsMatchesAndRefuses) {
    const auto exact = SubsystemPattern::parse("1458:36FF");
    ASSERT_TRUE(exact);
    EXPECT_EQ(exact->str(), "1458:36ff");
    EXPECT_TRUE(exact->matches(card));
    EXPECT_FALSE(exact->matches(nvme));
    EXPECT_TRUE(SubsystemPattern::parse("1458:*")->matches(sound));
    EXPECT_TRUE(SubsystemPattern::parse(":a801")->matches(nvme));
    EXPECT_EQ(
        SubsystemPattern::parse("1458").error(),
        "\"1458\" is no subsystem: write vendor:device, as in 8086:00a2, or 8086: for any of that vendor");
    EXPECT_EQ(
        SubsystemPattern::parse("1458:36ff:0300").error(),
        "\"1458:36ff:0300\" is no subsystem: write vendor:device, as in 8086:00a2, or 8086: for any of that "
        "vendor");
    EXPECT_EQ(SubsystemPattern::parse("1458:6ff").error(),
              "\"1458:6ff\" is no subsystem: the subsystem device is four hexadecimal digits, or empty or * "
              "for any, "
              "not \"6ff\"");
    EXPECT_EQ(
        SubsystemPattern::parse(":*").error(),
        "\":*\" is no subsystem: it names every subsystem; give a vendor or a device, or leave the key out");
}

/// case 11 (another card in the slot is told apart from no match) and case 13 (a path holds where buses
/// moved).
TEST(Selector, HoldsOnlyIfAllKeysDo) {
    const DeviceFacts facts{{0, 1, 0, 0}, card, "0000:00/01.0/00.0"};
    const DeviceFacts renumbered{{0, 7, 0, 0}, card, "0000:00/01.0/00.0"};
    const DeviceFacts swapped{{0, 1, 0, 0}, nvme, "0000:00/01.0/00.0"};

    Selector address;
    address.address = Address{0, 1, 0, 0};
    Selector path;
    path.path = "0000:00/01.0/00.0";
    Selector id;
    id.id = *IdPattern::parse("10de:1284");
    Selector subsystem;
    subsystem.subsystem = *SubsystemPattern::parse("1458:36ff");
    Selector addressAndId = address;
    addressAndId.id = id.id;
    Selector pathAndSubsystem = path;
    pathAndSubsystem.subsystem = subsystem.subsystem;
    Selector idAndSubsystem = id;
    idAndSubsystem.subsystem = subsystem.subsystem;
    Selector all = addressAndId;
    all.subsystem = subsystem.subsystem;
    all.path = path.path;

    struct Row {
        const char* name;
        Selector selector;
        Match here, moved, other;
        std::string_view printed;
    };
    const Row rows[] = {
        {"nothing", {}, Match::no, Match::no, Match::no, "{  }"},
        {"address", address, Match::yes, Match::no, Match::yes, "0000:01:00.0"},
        {"path", path, Match::yes, Match::yes, Match::yes, "path:0000:00/01.0/00.0"},
        {"id", id, Match::yes, Match::yes, Match::no, "10de:1284"},
        {"subsystem", subsystem, Match::yes, Match::yes, Match::no, "{ subsystem = \"1458:36ff\" }"},
        {"address and id", addressAndId, Match::yes, Match::no, Match::otherCard,
         "{ address = \"0000:01:00.0\", id = \"10de:1284\" }"},
        {"path and subsystem", pathAndSubsystem, Match::yes, Match::yes, Match::otherCard,
         "{ subsystem = \"1458:36ff\", path = \"0000:00/01.0/00.0\" }"},
        {"id and subsystem", idAndSubsystem, Match::yes, Match::yes, Match::no,
         "{ id = \"10de:1284\", subsystem = \"1458:36ff\" }"},
        {"all", all, Match::yes, Match::no, Match::otherCard,
         "{ address = \"0000:01:00.0\", id = \"10de:1284\", subsystem = \"1458:36ff\", path = "
         "\"0000:00/01.0/00.0\" }"},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(row.selector.match(facts), row.here) << row.name;
        EXPECT_EQ(row.selector.match(renumbered), row.moved) << row.name;
        EXPECT_EQ(row.selector.match(swapped), row.other) << row.name;
        EXPECT_EQ(row.selector.str(), row.printed);
    }
}

} // namespace
} // namespace vfiobind::selector_test
