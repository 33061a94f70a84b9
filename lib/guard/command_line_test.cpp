// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/command_line.h"

#include "fake/fake_kernel.h"

#include <gtest/gtest.h>

namespace vfiobind::command_line_test {
namespace {

TEST(CommandLineOfTheKernel, TheLastOfAParameterCountsAndQuotesAreTakenOff) {
    EXPECT_EQ(kernelParameter("quiet root=/dev/sda1 ro root=/dev/sdb1", "root"), "/dev/sdb1");
    EXPECT_EQ(kernelParameter("root=\"LABEL=my disk\" ro", "root"), "LABEL=my disk");
    EXPECT_EQ(kernelParameter("x\troot=UUID=1\n", "root"), "UUID=1");
    EXPECT_EQ(kernelParameter("rootwait rootfstype=ext4 nfsroot=x root", "root"), std::nullopt);
}

TEST(CommandLineOfTheKernel, ADiskIsFoundByEveryWayToNameIt) {
    FakeKernel kernel;
    kernel.putDirectory("/sys/class/block/sda2");
    kernel.putFile("/sys/class/block/sda2/dev", "8:2\n");
    kernel.putFile("/dev/sda2", "");
    kernel.putLink("/dev/disk/by-uuid/1-2", "../../sda2");
    kernel.putLink("/dev/disk/by-label/my\\x20disk", "../../sda2");
    kernel.putLink("/dev/disk/by-partuuid/3-4", "../../sda2");
    kernel.putLink("/dev/disk/by-partlabel/root", "../../sda2");
    kernel.putLink("/dev/root", "/dev/disk/by-uuid/1-2");
    for (const auto* value : {"/dev/sda2", "UUID=1-2", "LABEL=my disk", "PARTUUID=3-4",
                              "PARTUUID=3-4/PARTNROFF=1", "PARTLABEL=root", "8:2", "/dev/root"})
        EXPECT_EQ(namedBlockDevice(kernel, value), "sda2") << value;
    for (const auto* value : {"/dev/sda3", "UUID=5-6", "8:3", "/dev/nfs", "ZFS=tank/root", "tmpfs", ""})
        EXPECT_EQ(namedBlockDevice(kernel, value), std::nullopt) << value;
}

TEST(CommandLineOfTheKernel, ALinkThatLeadsToItselfEnds) {
    FakeKernel kernel;
    kernel.putLink("/dev/a", "b");
    kernel.putLink("/dev/b", "a");
    EXPECT_EQ(namedBlockDevice(kernel, "/dev/a"), std::nullopt);
}

} // namespace
} // namespace vfiobind::command_line_test
