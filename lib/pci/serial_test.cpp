// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/serial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::serial_test {
namespace {

TEST(Serial, IsReadInEitherCase) {
    EXPECT_EQ(parseSerial("00-11-22-FF-fe-33-44-55"), "00-11-22-ff-fe-33-44-55");
    for (const auto* wrong :
         {"", "00-11-22-ff-fe-33-44", "00-11-22-ff-fe-33-44-55-66", "00:11:22:ff:fe:33:44:55",
          "0-11-22-ff-fe-33-44-55", "00-11-22-ff-fe-33-44-5g", "001122fffe334455"})
        EXPECT_THAT(parseSerial(wrong).error(), testing::HasSubstr("write eight pairs of hexadecimal digits"))
            << wrong;
}

class SerialOfConfig : public testing::Test {
protected:
    void put(std::size_t at, std::uint32_t value) {
        for (std::size_t i = 0; i < 4; ++i)
            config[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
    }
    std::string config = std::string(4096, '\0');
};

TEST_F(SerialOfConfig, IsFoundBehindOtherCapabilities) {
    put(0x100, 0x14020001); // AER, the next at 0x140
    put(0x140, 0x00010003);
    put(0x144, 0xfe334455);
    put(0x148, 0x001122ff);
    EXPECT_EQ(serialFromConfig(config), "00-11-22-ff-fe-33-44-55");
}

TEST_F(SerialOfConfig, IsNoneWhereNoneIsThereOrItCannotBeRead) {
    EXPECT_EQ(serialFromConfig(config), std::nullopt);
    EXPECT_EQ(serialFromConfig(config.substr(0, 64)), std::nullopt) << "what an ordinary user gets";
    EXPECT_EQ(serialFromConfig({}), std::nullopt);
    put(0x100, 0xffffffff);
    EXPECT_EQ(serialFromConfig(config), std::nullopt) << "the device does not answer";
    put(0x100, 0x00010003);
    EXPECT_EQ(serialFromConfig(config), std::nullopt) << "a number of zeros is nobody's";
    put(0x104, 1);
    EXPECT_EQ(serialFromConfig(config.substr(0, 0x108)), std::nullopt);
    EXPECT_EQ(serialFromConfig(config), "00-00-00-00-00-00-00-01");
}

TEST_F(SerialOfConfig, ALoopEnds) {
    put(0x100, 0x10010001);
    EXPECT_EQ(serialFromConfig(config), std::nullopt);
    put(0x100, 0x08010001); // points into the standard part
    EXPECT_EQ(serialFromConfig(config), std::nullopt);
    put(0x100, 0x10210001); // no multiple of four
    EXPECT_EQ(serialFromConfig(config), std::nullopt);
}

} // namespace
} // namespace vfiobind::serial_test
