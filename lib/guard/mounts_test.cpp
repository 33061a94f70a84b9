// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/mounts.h"

#include "fake/disk.h"
#include "host_sysfs.h"

namespace vfiobind::mounts_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Mounts, AMountThroughDeviceMapperIsNamed) {
    auto kernel = withVolume();
    kernel.putFile("/proc/self/mountinfo", "21 1 254:0 / / rw shared:1 - ext4 /dev/mapper/vg0-root rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds / (nvme0n1p2 -> dm-0); unmount it first"));
}

TEST(Mounts, BtrfsIsFoundByItsSource) {
    auto kernel = withDisk();
    mount(kernel, "30 1 0:31 /@home /home rw - btrfs /dev/nvme0n1p1 rw");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1); unmount it first"));
}

// Any user can mount a tmpfs in a namespace of their own, and call its source whatever they like.
TEST(Mounts, TheSourceOfAFileSystemWithoutADiskSaysNothing) {
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

TEST(Mounts, SwapIsNamed) {
    auto kernel = withDisk();
    kernel.putFile("/proc/swaps", "Filename\tType\n/dev/nvme0n1p1                          partition\t1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("swap: 0000:05:00.0 holds swap (nvme0n1p1); swapoff it first"));
}

// case 6
TEST(Mounts, SwapOnDmCryptIsSwap) {
    auto kernel = withDisk();
    build(kernel, "nvme0n1p1", "dm-1", "254:1", "cryptswap", "CRYPT-PLAIN-x");
    kernel.putFile("/proc/swaps", "Filename\tType\n/dev/dm-1                               partition\t1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("swap: 0000:05:00.0 holds swap (nvme0n1p1 -> dm-1 cryptswap); swapoff it first"));
}

TEST(Mounts, ASwapFileBelongsToTheDiskThatItLiesOn) {
    auto kernel = withDisk();
    mount(kernel, "30 1 259:1 / /srv/more\\040room rw - ext4 /dev/nvme0n1p1 rw");
    kernel.putFile("/proc/swaps", "Filename\tType\n/srv/more\\040room/swapfile             file\t1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /srv/more room (nvme0n1p1); unmount it first",
                            "swap: 0000:05:00.0 holds swap (nvme0n1p1); swapoff it first"));
    kernel.putFile("/proc/swaps", "Filename\tType\n/srv/more\\040roomy                     file\t1\n");
    EXPECT_EQ(sentences(kernel).size(), 1U) << "a file on the root disk";
}

TEST(Mounts, BtrfsOverVolumesAndOverSeveralDisksIsFound) {
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

TEST(Mounts, XfsHasItsLogAndItsRealtimePartElsewhere) {
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

TEST(Mounts, AFileSystemWithoutAMountIsNamedByWhatTellsOfIt) {
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

TEST(Mounts, BtrfsWhoseSourceIsNoDiskIsKnownByItsDevices) {
    auto kernel = withDisk();
    kernel.putFile("/proc/self/mountinfo", "21 1 0:31 / / rw - btrfs /dev/root rw\n");
    kernel.putLink("/sys/fs/btrfs/12-34/devices/nvme0n1p1", "../../../../devices/x/nvme0n1p1");
    EXPECT_THAT(sentences(kernel), ElementsAre(testing::HasSubstr(
                                       "(nvme0n1p1), as /sys/fs/btrfs/12-34/devices/nvme0n1p1 says")));
}

TEST(Mounts, AMountThatIsNotUnderstoodIsNotTakenForNone) {
    auto kernel = withDisk();
    mount(kernel, "36 21 0:22 / /empty rw - tmpfs  rw"); // a source may be empty
    EXPECT_THAT(sentences(kernel), IsEmpty());
    mount(kernel, "37 21 259:1 / - ext4");
    EXPECT_THAT(sentences(kernel),
                testing::Contains(testing::HasSubstr("understand a line of /proc/self/mountinfo: EBADMSG")));
}

TEST(Mounts, AMountThatOnlyAContainerHasIsFound) {
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
        ElementsAre("mounted: 0000:05:00.0 holds a file system (in the mount namespace of process 812) "
                    "(nvme0n1p1); unmount it first"));
    kernel.putFile("/proc/812/status", "Uid:\t1000\t1000\t1000\t1000\n");
    Programs programs(kernel);
    const auto found = storageBlockers(kernel, disk, programs);
    const auto full = "0000:05:00.0 holds /data (in the mount namespace of process 812) (nvme0n1p1); "
                      "unmount it first";
    EXPECT_EQ(forReader(found, 1000).at(0).sentence, full);
    EXPECT_EQ(forReader(found, 0).at(0).sentence, full);
    EXPECT_EQ(forReader(found, 1001).at(0).sentence, found.at(0).sentence);
    kernel.putFile("/proc/1/mountinfo", line);
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p1); unmount it first"))
        << "a copy in a sandbox says nothing new";
    HostSysfs ending(kernel);
    kernel.putFile("/proc/1/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    ending.errors["/proc/812/mountinfo"] = EINVAL;
    EXPECT_THAT(
        sentences(ending),
        ElementsAre("mounted: 0000:05:00.0 holds a file system (in the mount namespace of process 813) "
                    "(nvme0n1p1); unmount it first"))
        << "who ends leaves others in its namespace";
}

// The daemon's own namespace lacks what its sandbox hides: ProtectHome= unmounts /home there.
TEST(Mounts, TheHostsMountsCountAndNotTheSandboxs) {
    auto kernel = withDisk();
    kernel.putLink("/proc/1/ns/mnt", "mnt:[1]");
    kernel.putLink("/proc/self/ns/mnt", "mnt:[2]");
    kernel.putFile("/proc/1/mountinfo",
                   "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 1 259:1 / /home rw - ext4 /dev/nvme0n1p1 rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1); unmount it first"));
    // What it binds for itself is not where the disk is mounted.
    const auto sandbox = "40 1 259:1 /etc /etc/vfio-bind.d rw - ext4 /dev/nvme0n1p1 rw\n";
    kernel.putFile("/proc/self/mountinfo", sandbox);
    kernel.putLink("/proc/812/exe", "/usr/libexec/vfio-bindd");
    kernel.putLink("/proc/812/ns/mnt", "mnt:[2]");
    kernel.putFile("/proc/812/mountinfo", sandbox);
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1); unmount it first"));
    kernel.dropPath("/proc/812");
    HostSysfs blind(kernel);
    blind.errors["/proc/1/mountinfo"] = EACCES;
    EXPECT_THAT(
        sentences(blind),
        ElementsAre("mounted: whether 0000:05:00.0 holds a mounted file system cannot be told: read "
                    "/proc/1/mountinfo: EACCES (Permission denied)",
                    "mounted: whether 0000:05:00.0 holds the root file system cannot be told: root=UUID=1234 "
                    "of the kernel's command line names a device that is not known yet"));
}

} // namespace
} // namespace vfiobind::mounts_test
