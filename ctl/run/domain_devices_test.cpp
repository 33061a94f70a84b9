// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/domain_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::domain_devices_test {
namespace {

constexpr const char* domain = R"(<domain type='kvm'>
  <name>win11</name>
  <devices>
    <disk type='file'><address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/></disk>
    <hostdev mode='subsystem' type='pci' managed='no'>
      <source><address domain='0x0000' bus='0x01' slot='0x00' function='0x1'/></source>
      <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source><address domain='0x0000' bus='0x02' slot='0x00' function='0x0'/></source>
    </hostdev>
    <hostdev mode='subsystem' type='usb'><source><vendor id='0x1234'/></source></hostdev>
    <interface type='hostdev'>
      <source><address type='pci' domain='0x10000' bus='0xe1' slot='0x1f' function='0x7'/></source>
    </interface>
    <interface type='network'><source network='default'/></interface>
  </devices>
</domain>)";

std::vector<std::string> devicesOf(std::string_view xml) {
    std::vector<std::string> names;
    const auto found = unmanagedDevices(xml);
    EXPECT_TRUE(found) << found.error();
    if (found)
        for (const auto& address : *found)
            names.push_back(address.str());
    return names;
}

TEST(DomainDevices, AreThoseThatLibvirtDoesNotManage) {
    EXPECT_THAT(devicesOf(domain), testing::ElementsAre("0000:01:00.1", "10000:e1:1f.7"));
    EXPECT_THAT(devicesOf("<domain><name>x</name></domain>"), testing::IsEmpty());
}

TEST(DomainDevices, WhatIsNoXmlIsSaid) {
    const auto found = unmanagedDevices("<domain>\n<devices></domain>");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error(), "the domain is no XML: line 2: mismatched tag");
    EXPECT_FALSE(unmanagedDevices(""));
}

TEST(DomainDevices, WhatIsNoAddressIsSaid) {
    const auto found = unmanagedDevices("<domain><devices>\n<hostdev type='pci'><source>\n"
                                        "<address domain='0x0' bus='0x100' slot='0x0' function='0x0'/>"
                                        "</source></hostdev></devices></domain>");
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error(), testing::StartsWith("line 3 of the domain has no PCI address"));
}

} // namespace
} // namespace vfiobind::ctl::domain_devices_test
