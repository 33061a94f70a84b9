// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/storage.h"

#include "fake/disk.h"
#include "host_sysfs.h"

namespace vfiobind::storage_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::IsEmpty;

// case 6
TEST(Storage, AnUnusedDiskIsFree) {
    EXPECT_THAT(sentences(withDisk()), IsEmpty());
}

TEST(Storage, AMultipathHeadBelongsToItsPaths) {
    auto kernel = machine();
    putBlock(kernel, "nvme0c0n1", "pci0000:00/0000:00:03.0/0000:05:00.0/nvme/nvme0/nvme0c0n1", "");
    putBlock(kernel, "nvme0n1", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0");
    kernel.putFile("/proc/self/mountinfo", "21 1 259:0 / /data rw - xfs /dev/nvme0n1 rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0c0n1 -> nvme0n1); unmount it first"));
}

TEST(Storage, AnotherCardsDiskIsNoMatter) {
    auto kernel = withDisk();
    kernel.putFile("/proc/self/mountinfo", "21 1 254:0 / / rw - ext4 /dev/mapper/vg0-root rw\n");
    EXPECT_THAT(blockersOf(kernel, *Address::parse(nic)), IsEmpty());
}

// case 6
TEST(Storage, AnActiveVolumeThatIsNotMountedIsAMember) {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p2", "dm-0", "254:0", "vg0-data", "LVM-abc");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre("storage-member: 0000:05:00.0 is part of an LVM volume (nvme0n1p2 -> dm-0 vg0-data); "
                    "take it down first: lvchange -an /dev/mapper/vg0-data"));
    kernel.dropPath("/sys/class/block/nvme0n1p2/holders/dm-0");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "a guest's volume group, which the host has not activated";
}

// case 6
TEST(Storage, TheLastOfAChainIsWhatIsUsed) {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p1", "md127", "9:127");
    build(kernel, "md127", "dm-1", "254:1", "luks", "CRYPT-LUKS2-abc");
    build(kernel, "dm-1", "dm-2", "254:2", "vg1-home", "LVM-def");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre("storage-member: 0000:05:00.0 is part of an LVM volume (nvme0n1p1 -> md127 -> dm-1 luks "
                    "-> dm-2 vg1-home); take it down first: lvchange -an /dev/mapper/vg1-home"));
    mount(kernel, "30 1 254:2 / /home rw shared:5 - ext4 /dev/mapper/vg1-home rw");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1 -> md127 -> dm-1 luks "
                            "-> dm-2 vg1-home); unmount it first"));
}

// case 6
TEST(Storage, EachMakerOfMembersIsNamedWithItsCommand) {
    const std::vector<std::pair<std::string, std::string>> kinds{{"CRYPT-LUKS2-1", "cryptsetup close x"},
                                                                 {"mpath-3600", "multipath -f x"},
                                                                 {"other", "dmsetup remove x"}};
    for (const auto& [uuid, undo] : kinds) {
        auto kernel = withDisk();
        build(kernel, "nvme0n1", "dm-3", "254:3", "x", uuid);
        ASSERT_EQ(sentences(kernel).size(), 1U) << uuid;
        EXPECT_THAT(sentences(kernel)[0], testing::EndsWith("take it down first: " + undo));
    }
    auto kernel = withDisk();
    build(kernel, "nvme0n1", "md0", "9:0");
    ASSERT_EQ(sentences(kernel).size(), 1U);
    EXPECT_THAT(sentences(kernel)[0],
                testing::EndsWith("(nvme0n1 -> md0); take it down first: mdadm --stop /dev/md0"));
}

TEST(Storage, LoopDevicesOverThePartitionAreFollowed) {
    auto kernel = withDisk();
    putBlock(kernel, "loop0", "virtual/block/loop0", "7:0");
    kernel.putFile("/sys/class/block/loop0/loop/backing_file", "/dev/nvme0n1p1\n");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre(
            "storage-member: 0000:05:00.0 is part of a loop device (nvme0n1p1 -> loop0); take it down "
            "first: losetup -d /dev/loop0"));
    mount(kernel, "30 1 7:0 / /mnt rw - ext4 /dev/loop0 rw");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /mnt (nvme0n1p1 -> loop0); unmount it first"));
    kernel.putFile("/sys/class/block/loop0/loop/backing_file", "/srv/nvme0n1p1\n");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "a file of that name";
}

TEST(Storage, ADiskThatAProgramHasOpenIsNotFree) {
    auto kernel = withDisk();
    open(kernel, 812, "qemu-system-x86", "259:2");
    open(kernel, 90, "udevadm", "259:1");
    open(kernel, 91, "mdadm", "259:1");
    kernel.putFile("/proc/91/cgroup", "0::/system.slice/systemd-udevd.service/udev\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("storage-member: 0000:05:00.0 holds nvme0n1p2, which qemu-system-x86 (pid 812) "
                            "has open; end it first"));
    kernel.dropPath("/proc/812");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "udev lets go by itself";
    build(kernel, "nvme0n1p2", "dm-0", "254:0", "vg0-data", "LVM-abc");
    open(kernel, 813, "mysqld", "254:0");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr("is part of an LVM volume")))
        << "that it is active says enough";
    kernel.dropPath("/sys/class/block/nvme0n1p2/holders/dm-0");
    open(kernel, 814, "program", "259:0");
    HostSysfs blind(kernel);
    blind.errors["/proc/814/fd/9"] = EIO;
    EXPECT_THAT(
        sentences(blind),
        ElementsAre("storage-member: whether a program has a disk of 0000:05:00.0 open cannot be told: "
                    "stat /proc/814/fd/9: EIO (Input/output error)"));
}

TEST(Storage, TheKernelsOwnProcessesAreNotLookedAt) {
    auto kernel = withDisk();
    open(kernel, 7, "kworker/0:1", "259:0"); // which it cannot have; it would be noticed
    kernel.dropPath("/proc/7/exe");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putDirectory("/proc/7/task/7");
    kernel.putDirectory("/proc/7/task/8");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr("kworker/0:1 (pid 7) has open")))
        << "a program whose first thread has ended";
    kernel.dropPath("/proc/7/task/8");
    HostSysfs hidden(kernel);
    hidden.errors["/proc/7/exe"] = EACCES;
    EXPECT_THAT(sentences(hidden), ElementsAre(testing::HasSubstr("kworker/0:1 (pid 7) has open")))
        << "what may not be known counts as a program";
}

// case 6
TEST(Storage, AMemberOfAnImportedPoolIsNoticed) {
    auto kernel = withDisk();
    kernel.putFile("/run/udev/data/b259:1", "S:disk/by-id/x\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "a pool that is not imported: a guest's";
    kernel.putFile("/proc/spl/kstat/zfs/other/state", "ONLINE\n");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putFile("/proc/spl/kstat/zfs/tank/state", "ONLINE\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("storage-member: 0000:05:00.0 is part of the ZFS pool tank (nvme0n1p1); "
                            "take it down first: zpool export tank"));
}

TEST(Storage, WhatCannotBeReadIsNotTakenForFree) {
    auto kernel = withDisk();
    for (const auto* path : {"/sys/class/block", "/sys/class/block/nvme0n1p1/holders", "/proc/swaps",
                             "/sys/class/block/nvme0n1/dev", "/proc/cmdline", "/sys/fs/btrfs", "/proc"}) {
        HostSysfs blind(kernel);
        blind.errors[path] = EIO;
        const auto found = blockersOf(blind, disk);
        ASSERT_EQ(found.size(), 1U) << path;
        EXPECT_FALSE(found[0].seen);
        EXPECT_THAT(found[0].sentence, testing::HasSubstr(std::string(path) + ": EIO"));
    }
}

// case 10
TEST(Storage, AStickBelongsToItsUsbController) {
    auto kernel = machine();
    kernel.putFile("/proc/cmdline", "quiet\n");
    putBlock(kernel, "sdb", "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb",
             "8:16");
    putBlock(kernel, "sdb1",
             "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1", "8:17");
    kernel.putFile("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    const auto controller = *Address::parse("0000:00:14.0");
    EXPECT_THAT(blockersOf(kernel, controller), IsEmpty());
    mount(kernel, "30 1 8:17 / /media/stick rw - vfat /dev/sdb1 rw");
    const auto found = blockersOf(kernel, controller);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].str(), "usb-storage: 0000:00:14.0 holds /media/stick (sdb1); unmount it first");
}

/// An initramfs: nothing is mounted yet.

FakeKernel beforeRoot(const std::string& commandLine) {
    auto kernel = withDisk();
    kernel.putFile("/proc/cmdline", commandLine + '\n');
    kernel.putFile("/proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n");
    return kernel;
}

TEST(Storage, TheRootDiskIsKnownFromTheCommandLine) {
    auto kernel = beforeRoot("root=/dev/nvme0n1p2 quiet");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds the root file system (nvme0n1p2), as "
                            "root= of the kernel's command line says"));
    EXPECT_THAT(sentences(beforeRoot("root=259:1")), ElementsAre(testing::HasSubstr("(nvme0n1p1)")));
    EXPECT_THAT(sentences(beforeRoot("root=/dev/nfs ip=dhcp")), IsEmpty());
    auto elsewhere = beforeRoot("root=/dev/sda1");
    putBlock(elsewhere, "sda1", "pci0000:00/0000:00:17.0/ata1/block/sda/sda1", "8:1");
    EXPECT_THAT(sentences(elsewhere), IsEmpty());
}

TEST(Storage, TheRootDiskIsKnownByUdevsLinks) {
    auto kernel = beforeRoot("root=UUID=12-34 quiet");
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre(
            "mounted: whether 0000:05:00.0 holds the root file system cannot be told: root=UUID=12-34 "
            "of the kernel's command line names a device that is not known yet"));
    kernel.putFile("/dev/nvme0n1p2", "");
    kernel.putLink("/dev/disk/by-uuid/12-34", "../../nvme0n1p2");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr("holds the root file system (nvme0n1p2)")));
    auto volume = beforeRoot("root=/dev/mapper/vg0-root");
    build(volume, "nvme0n1p2", "dm-0", "254:0", "vg0-root", "LVM-abc");
    volume.putLink("/dev/mapper/vg0-root", "../dm-0");
    EXPECT_THAT(sentences(volume),
                ElementsAre(testing::HasSubstr("root file system (nvme0n1p2 -> dm-0 vg0-root)")));
}

TEST(Storage, AnImageToResumeFromIsSwap) {
    auto kernel = withDisk();
    kernel.putFile("/proc/cmdline", "root=/dev/sda1 resume=/dev/nvme0n1p1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("swap: 0000:05:00.0 holds the image to resume from (nvme0n1p1), as "
                            "resume= of the kernel's command line says"));
}

} // namespace
} // namespace vfiobind::storage_test
