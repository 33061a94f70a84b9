// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/storage.h"

#include "fake/machine.h"
#include "host_sysfs.h"

#include <fmt/format.h>

namespace vfiobind {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::IsEmpty;

const auto disk = Address::parse("0000:05:00.0").value();

void putBlock(FakeKernel& kernel, const std::string& name, const std::string& place,
              const std::string& number) {
    const auto folder = "/sys/devices/" + place;
    kernel.putFile(folder + "/dev", number + "\n");
    kernel.putDirectory(folder + "/holders");
    kernel.putLink("/sys/class/block/" + name, "../../devices/" + place);
}

const std::string nvme = "pci0000:00/0000:00:03.0/0000:05:00.0/nvme/nvme0/nvme0n1";

/// nvme0n1 with two partitions, of a host whose root is elsewhere.
FakeKernel withDisk() {
    auto kernel = machine();
    putBlock(kernel, "nvme0n1", nvme, "259:0");
    putBlock(kernel, "nvme0n1p1", nvme + "/nvme0n1p1", "259:1");
    putBlock(kernel, "nvme0n1p2", nvme + "/nvme0n1p2", "259:2");
    kernel.putFile("/proc/swaps", "Filename\tType\n");
    kernel.putFile("/proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1234 ro\n");
    kernel.putFile("/proc/self/mountinfo",
                   "20 1 0:19 / /sys rw - sysfs sysfs rw\n21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    return kernel;
}

/// Something is built upon a block device.
void build(FakeKernel& kernel, const std::string& below, const std::string& name, const std::string& number,
           const std::string& dmName = {}, const std::string& dmUuid = {}) {
    putBlock(kernel, name, "virtual/block/" + name, number);
    kernel.putLink("/sys/class/block/" + below + "/holders/" + name, "../../x/" + name);
    if (dmName.empty())
        return;
    kernel.putFile("/sys/class/block/" + name + "/dm/name", dmName + "\n");
    kernel.putFile("/sys/class/block/" + name + "/dm/uuid", dmUuid + "\n");
}

/// dm-0 lies on the second partition.
FakeKernel withVolume() {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p2", "dm-0", "254:0");
    return kernel;
}

void mount(FakeKernel& kernel, const std::string& line) {
    kernel.putFile("/proc/self/mountinfo", kernel.read("/proc/self/mountinfo").value() + '\n' + line + '\n');
}

Blockers blockersOf(const Sysfs& sysfs, const Address& device) {
    Programs programs(sysfs);
    return storageBlockers(sysfs, device, programs);
}

void open(FakeKernel& kernel, int pid, const std::string& node) {
    kernel.putLink(fmt::format("/proc/{}/exe", pid), "/usr/bin/program");
    kernel.putLink(fmt::format("/proc/{}/fd/9", pid), node);
}

std::vector<std::string> sentences(const Sysfs& kernel) {
    std::vector<std::string> list;
    for (const auto& blocker : blockersOf(kernel, disk))
        list.push_back(blocker.str());
    return list;
}

// case 6
TEST(Storage, AnUnusedDiskIsFree) {
    EXPECT_THAT(sentences(withDisk()), IsEmpty());
}

TEST(Storage, AMountThroughDeviceMapperIsNamed) {
    auto kernel = withVolume();
    kernel.putFile("/proc/self/mountinfo", "21 1 254:0 / / rw shared:1 - ext4 /dev/mapper/vg0-root rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds / (nvme0n1p2 -> dm-0); unmount it first"));
}

TEST(Storage, BtrfsIsFoundByItsSource) {
    auto kernel = withDisk();
    mount(kernel, "30 1 0:31 /@home /home rw - btrfs /dev/nvme0n1p1 rw");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1); unmount it first"));
}

// Any user can mount a tmpfs in a namespace of their own, and call its source whatever they like.
TEST(Storage, TheSourceOfAFileSystemWithoutADiskSaysNothing) {
    auto kernel = withDisk();
    mount(kernel, "30 1 0:40 / /tmp/x rw - tmpfs /dev/nvme0n1p1 rw");
    mount(kernel, "31 1 0:41 / /tmp/y rw - fuse.x /dev/nvme0n1p1 rw");
    mount(kernel, "32 1 0:42 / /tmp/z rw - overlay /dev/nvme0n1p1 rw");
    mount(kernel, "33 1 8:3 / /other rw - ext4 /dev/nvme0n1p1 rw");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    mount(kernel, "34 1 0:43 / /data rw - bcachefs /dev/sdb:/dev/nvme0n1p1 rw");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p1); unmount it first"));
}

TEST(Storage, SwapIsNamed) {
    auto kernel = withDisk();
    kernel.putFile("/proc/swaps", "Filename\tType\n/dev/nvme0n1p1                          partition\t1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("swap: 0000:05:00.0 holds swap (nvme0n1p1); swapoff it first"));
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

// case 6
TEST(Storage, SwapOnDmCryptIsSwap) {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p1", "dm-1", "254:1", "cryptswap", "CRYPT-PLAIN-x");
    kernel.putFile("/proc/swaps", "Filename\tType\n/dev/dm-1                               partition\t1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("swap: 0000:05:00.0 holds swap (nvme0n1p1 -> dm-1 cryptswap); swapoff it first"));
}

TEST(Storage, ASwapFileBelongsToTheDiskThatItLiesOn) {
    auto kernel = withDisk();
    mount(kernel, "30 1 259:1 / /srv/more\\040room rw - ext4 /dev/nvme0n1p1 rw");
    kernel.putFile("/proc/swaps", "Filename\tType\n/srv/more\\040room/swapfile             file\t1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /srv/more room (nvme0n1p1); unmount it first",
                            "swap: 0000:05:00.0 holds swap (nvme0n1p1); swapoff it first"));
    kernel.putFile("/proc/swaps", "Filename\tType\n/srv/more\\040roomy                     file\t1\n");
    EXPECT_EQ(sentences(kernel).size(), 1U) << "a file on the root disk";
}

TEST(Storage, BtrfsOverVolumesAndOverSeveralDisksIsFound) {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p2", "dm-0", "254:0", "vg0-pool", "LVM-abc");
    mount(kernel, "30 1 0:31 /@ /data rw - btrfs /dev/mapper/vg0-pool rw");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p2 -> dm-0 vg0-pool); "
                            "unmount it first"));
    auto several = withDisk(); // the mount names the other disk of the file system
    mount(several, "30 1 0:31 /@ /data rw - btrfs /dev/sdb rw");
    EXPECT_THAT(sentences(several), IsEmpty());
    several.putLink("/sys/fs/btrfs/1234-abcd/devices/sdb", "../../../../devices/x/sdb");
    several.putLink("/sys/fs/btrfs/1234-abcd/devices/nvme0n1p1", "../../../../devices/x/nvme0n1p1");
    EXPECT_THAT(sentences(several),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p1); unmount it first"));
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

TEST(Storage, XfsHasItsLogAndItsRealtimePartElsewhere) {
    for (const auto* option : {"logdev=/dev/nvme0n1p1", "rtdev=/dev/nvme0n1p1", "logdev=/dev/disk/by-id/x"}) {
        auto kernel = withDisk();
        kernel.putFile("/dev/nvme0n1p1", "");
        kernel.putLink("/dev/disk/by-id/x", "../../nvme0n1p1");
        mount(kernel, std::string("30 1 8:2 / /data rw - xfs /dev/sda2 rw,attr2,") + option + ",noquota");
        EXPECT_THAT(sentences(kernel),
                    ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p1); unmount it first"))
            << option;
    }
}

TEST(Storage, AFileSystemWithoutAMountIsNamedByWhatTellsOfIt) {
    for (const std::string path :
         {"/sys/fs/ext4/nvme0n1p1", "/sys/fs/xfs/nvme0n1p1", "/sys/fs/f2fs/nvme0n1p1",
          "/proc/fs/jbd2/nvme0n1p1", "/proc/fs/jbd2/nvme0n1p1-8"}) {
        auto kernel = withDisk();
        kernel.putFile(path + "/x", "");
        EXPECT_THAT(sentences(kernel),
                    ElementsAre("mounted: 0000:05:00.0 holds a file system or its journal (nvme0n1p1), as " +
                                path +
                                " says, which is mounted where it cannot be seen: unmounted lazily, or in a "
                                "namespace of its own; end who uses it first"));
        mount(kernel, "30 1 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw");
        EXPECT_THAT(sentences(kernel),
                    ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p1); unmount it first"))
            << "where it is known, that says more";
    }
    auto other = withDisk();
    other.putFile("/sys/fs/ext4/features/x", "");
    other.putFile("/sys/fs/ext4/nvme0n1p10/x", "");
    other.putFile("/proc/fs/jbd2/nvme0n1p10-8/info", "");
    EXPECT_THAT(sentences(other), IsEmpty());
}

TEST(Storage, BtrfsWhoseSourceIsNoDiskIsKnownByItsDevices) {
    auto kernel = withDisk();
    kernel.putFile("/proc/self/mountinfo", "21 1 0:31 / / rw - btrfs /dev/root rw\n");
    kernel.putLink("/sys/fs/btrfs/12-34/devices/nvme0n1p1", "../../../../devices/x/nvme0n1p1");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr(
                                       "(nvme0n1p1), as /sys/fs/btrfs/12-34/devices/nvme0n1p1 says")));
}

TEST(Storage, ADiskThatAProgramHasOpenIsNotFree) {
    auto kernel = withDisk();
    kernel.putFile("/proc/812/comm", "qemu-system-x86\n");
    open(kernel, 812, "/dev/nvme0n1p2");
    kernel.putFile("/proc/90/comm", "(udev-worker)\n");
    open(kernel, 90, "/dev/nvme0n1p1");
    kernel.putFile("/proc/91/comm", "mdadm\n");
    kernel.putFile("/proc/91/cgroup", "0::/system.slice/systemd-udevd.service/udev\n");
    open(kernel, 91, "/dev/nvme0n1p1");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("storage-member: 0000:05:00.0 holds nvme0n1p2, which qemu-system-x86 (pid 812) "
                            "has open; end it first"));
    kernel.dropPath("/proc/812");
    EXPECT_THAT(sentences(kernel), IsEmpty()) << "udev lets go by itself";
    build(kernel, "nvme0n1p2", "dm-0", "254:0", "vg0-data", "LVM-abc");
    kernel.putFile("/proc/813/comm", "mysqld\n");
    open(kernel, 813, "/dev/mapper/vg0-data");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr("is part of an LVM volume")))
        << "that it is active says enough";
    kernel.dropPath("/sys/class/block/nvme0n1p2/holders/dm-0");
    open(kernel, 814, "/dev/nvme0n1");
    HostSysfs blind(kernel);
    blind.errors["/proc/814/fd/9"] = EIO;
    EXPECT_THAT(
        sentences(blind),
        ElementsAre("storage-member: whether a program has a disk of 0000:05:00.0 open cannot be told: "
                    "readlink /proc/814/fd/9: EIO (Input/output error)"));
}

TEST(Storage, AMountThatIsNotUnderstoodIsNotTakenForNone) {
    auto kernel = withDisk();
    mount(kernel, "36 21 0:22 / /empty rw - tmpfs  rw"); // a source may be empty
    EXPECT_THAT(sentences(kernel), IsEmpty());
    mount(kernel, "37 21 259:1 / - ext4");
    EXPECT_THAT(sentences(kernel),
                testing::Contains(testing::HasSubstr("understand a line of /proc/self/mountinfo: EBADMSG")));
}

TEST(Storage, TheKernelsOwnProcessesAreNotLookedAt) {
    auto kernel = withDisk();
    kernel.putFile("/proc/7/comm", "kworker/0:1\n");
    kernel.putLink("/proc/7/fd/1", "/dev/nvme0n1"); // which it cannot have; it would be noticed
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putLink("/proc/7/exe", "/usr/bin/program");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr("kworker/0:1 (pid 7) has open")));
    kernel.dropPath("/proc/7/exe");
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

TEST(Storage, AMountThatOnlyAContainerHasIsFound) {
    auto kernel = withDisk();
    const auto line = "30 1 259:1 / /data rw - ext4 /dev/nvme0n1p1 rw\n";
    kernel.putLink("/proc/1/ns/mnt", "mnt:[1]");
    kernel.putFile("/proc/1/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    for (const auto* process : {"/proc/812/exe", "/proc/813/exe"})
        kernel.putLink(process, "/usr/bin/program");
    kernel.putLink("/proc/812/ns/mnt", "mnt:[2]");
    kernel.putFile("/proc/812/mountinfo", line);
    kernel.putLink("/proc/813/ns/mnt", "mnt:[2]"); // the same once more
    kernel.putFile("/proc/813/mountinfo", line);
    EXPECT_THAT(
        sentences(kernel),
        ElementsAre("mounted: 0000:05:00.0 holds /data (in the mount namespace of process 812) (nvme0n1p1); "
                    "unmount it first"));
    kernel.putFile("/proc/1/mountinfo", line);
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p1); unmount it first"))
        << "a copy in a sandbox says nothing new";
    HostSysfs ending(kernel);
    kernel.putFile("/proc/1/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    ending.errors["/proc/812/mountinfo"] = EINVAL;
    EXPECT_THAT(
        sentences(ending),
        ElementsAre("mounted: 0000:05:00.0 holds /data (in the mount namespace of process 813) (nvme0n1p1); "
                    "unmount it first"))
        << "who ends leaves others in its namespace";
}

// The daemon's own namespace lacks what its sandbox hides: ProtectHome= unmounts /home there.
TEST(Storage, TheHostsMountsCountAndNotTheSandboxs) {
    auto kernel = withDisk();
    kernel.putLink("/proc/1/ns/mnt", "mnt:[1]");
    kernel.putLink("/proc/self/ns/mnt", "mnt:[2]");
    kernel.putFile("/proc/1/mountinfo", "30 1 259:1 / /home rw - ext4 /dev/nvme0n1p1 rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1); unmount it first"));
    HostSysfs blind(kernel);
    blind.errors["/proc/1/mountinfo"] = EACCES;
    EXPECT_THAT(sentences(blind),
                ElementsAre("mounted: whether 0000:05:00.0 holds a mounted file system cannot be told: read "
                            "/proc/1/mountinfo: EACCES (Permission denied)"));
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
} // namespace vfiobind
