// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/host_look.h"

#include "fake/machine.h"
#include "host_sysfs.h"

namespace vfiobind::host_look_test {
namespace {

using namespace fakemachine;

class HostFilesTest : public testing::Test {
protected:
    FakeKernel kernel_ = machine();
    HostSysfs sysfs_{kernel_};
    HostFiles files_{sysfs_};
};

TEST_F(HostFilesTest, WhatTheHostHasIsReadOnceUntilItIsReadAgain) {
    kernel_.putFile("/proc/swaps", "/dev/sda2\n");
    EXPECT_EQ(files_.read("/proc/swaps", 64), "/dev/sda2");
    kernel_.putFile("/proc/swaps", "/dev/sdb2\n");
    EXPECT_EQ(files_.read("/proc/swaps", 64), "/dev/sda2");
    files_.again();
    EXPECT_EQ(files_.read("/proc/swaps", 64), "/dev/sdb2");
}

TEST_F(HostFilesTest, AnErrorIsAnAnswerToo) {
    sysfs_.errors["/proc/swaps"] = EIO;
    EXPECT_FALSE(files_.read("/proc/swaps", 64));
    kernel_.putFile("/proc/swaps", "/dev/sda2\n");
    sysfs_.errors.clear();
    EXPECT_FALSE(files_.read("/proc/swaps", 64));
    files_.again();
    EXPECT_EQ(files_.read("/proc/swaps", 64), "/dev/sda2");
}

TEST_F(HostFilesTest, ClassesAndRoutesAreTheHosts) {
    kernel_.putLink("/sys/class/net/eth0", "../../devices/pci0000:00/0000:02:00.0/net/eth0");
    sysfs_.dumps[{26, 2}] = "routes";
    EXPECT_EQ(files_.links("/sys/class/net")->size(), 1U);
    EXPECT_EQ(files_.netlinkDump(26, 2), "routes");
    kernel_.putFile("/sys/class/vtconsole/vtcon1/bind", "0\n");
    EXPECT_EQ(files_.read("/sys/class/vtconsole/vtcon1/bind", 8), "0");
    kernel_.putFile("/sys/class/vtconsole/vtcon1/bind", "1\n");
    EXPECT_EQ(files_.read("/sys/class/vtconsole/vtcon1/bind", 8), "0");
    kernel_.putLink("/sys/class/net/eth1", "../../devices/pci0000:00/0000:02:00.0/net/eth1");
    sysfs_.dumps[{26, 2}] = "others";
    EXPECT_EQ(files_.links("/sys/class/net")->size(), 1U);
    EXPECT_EQ(files_.netlinkDump(26, 2), "routes");
    files_.again();
    EXPECT_EQ(files_.links("/sys/class/net")->size(), 2U);
    EXPECT_EQ(files_.netlinkDump(26, 2), "others");
    EXPECT_EQ(files_.read("/sys/class/vtconsole/vtcon1/bind", 8), "1");
}

TEST_F(HostFilesTest, WhatIsAGroupsIsReadEachTime) {
    for (const std::string path :
         {"/sys/class/net/eth0/flags", "/proc/812/comm", "/proc/self/mountinfo",
          "/proc/driver/nvidia/gpus/0000:01:00.0/information", "/run/udev/data/b8:1"}) {
        kernel_.putFile(path, "before\n");
        EXPECT_EQ(files_.read(path, 64), "before");
        kernel_.putFile(path, "now\n");
        EXPECT_EQ(files_.read(path, 64), "now") << path;
    }
}

TEST_F(HostFilesTest, GuardsOnlyLook) {
    const auto written = files_.write(devices + nic + "/driver_override", "vfio-pci");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, EROFS);
    EXPECT_THAT(kernel_.writes(), testing::IsEmpty());
}

TEST(HostLook, WhoCameAfterTheLookIsFoundWhenItIsReadAgain) {
    auto kernel = machine();
    HostLook host(kernel);
    const DeviceNumber node{.major = 243, .minor = 3};
    kernel.openNode({.pid = 812, .program = "qemu", .number = node.str()});
    EXPECT_EQ(host.programs().openersOf({node}).found.size(), 1U);
    kernel.openNode({.pid = 813, .program = "cloud-hypervisor", .number = node.str()});
    EXPECT_EQ(host.programs().openersOf({node}).found.size(), 1U);
    host.again();
    const auto openers = host.programs().openersOf({node});
    EXPECT_EQ(named(openers.found), "qemu (pid 812), cloud-hypervisor (pid 813)");
}

} // namespace
} // namespace vfiobind::host_look_test
