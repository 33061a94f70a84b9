// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/capabilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

namespace vfiobind::capabilities_test {
namespace {

using testing::ElementsAre;

/// A configuration space with the bytes put in.
std::string config(std::size_t size, const std::vector<std::pair<std::size_t, std::string>>& parts) {
    std::string bytes(size, '\0');
    bytes[0x06] = 0x10; // there is a list
    bytes[0x34] = 0x40;
    for (const auto& [at, part] : parts)
        bytes.replace(at, part.size(), part);
    return bytes;
}

using namespace std::string_literals;

TEST(Capabilities, TheListIsFollowed) {
    const auto found =
        readCapabilities(config(256, {{0x40, "\x01\x50"s}, {0x50, "\x05\x70"s}, {0x70, "\x11\x00"s}}));
    ASSERT_TRUE(found);
    EXPECT_THAT(found->ids, ElementsAre(0x01, 0x05, 0x11));
    EXPECT_TRUE(found->msi());
    EXPECT_TRUE(found->msix());
    EXPECT_FALSE(found->extendedRead);
    EXPECT_FALSE(found->port);
}

TEST(Capabilities, TooFewBytesTellNothing) {
    EXPECT_FALSE(readCapabilities(std::string(64, '\0')));
    EXPECT_FALSE(readCapabilities(""));
}

TEST(Capabilities, AFunctionWithoutAListHasNone) {
    auto bytes = config(256, {{0x40, "\x05\x00"s}});
    bytes[0x06] = 0;
    EXPECT_TRUE(readCapabilities(bytes)->ids.empty());
}

TEST(Capabilities, AListThatGoesInCirclesEnds) {
    EXPECT_THAT(readCapabilities(config(256, {{0x40, "\x05\x40"s}}))->ids, ElementsAre(0x05));
    const auto found = readCapabilities(config(4096, {{0x100, "\x01\x00\x01\x10"s}}));
    EXPECT_TRUE(found->extendedRead);
    EXPECT_FALSE(found->acs);
}

TEST(Capabilities, ARootPortIsolatesWhenAllOfAcsIsOn) {
    const std::string rootPort = "\x10\x00\x42\x00"s;
    // AER at 0x100, ACS at 0x148 with its control register at 6.
    const auto with = [&](char control) {
        return readCapabilities(config(4096, {{0x40, rootPort},
                                              {0x100, "\x01\x00\x81\x14"s},
                                              {0x148, "\x0d\x00\x01\x00\x1f\x00"s + control + '\0'}}));
    };
    EXPECT_EQ(with('\x1d')->port, PortType::rootPort);
    EXPECT_TRUE(with('\x1d')->isolates());
    EXPECT_FALSE(with('\x01')->isolates());
    EXPECT_FALSE(readCapabilities(config(4096, {{0x40, rootPort}}))->isolates()) << "no ACS at all";
}

TEST(Capabilities, ABridgeToAConventionalBusIsKnown) {
    EXPECT_EQ(readCapabilities(config(256, {{0x40, "\x10\x00\x71\x00"s}}))->port, PortType::toConventional);
}

} // namespace
} // namespace vfiobind::capabilities_test
