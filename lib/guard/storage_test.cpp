// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/storage.h"

#include "fake/machine.h"

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

/// nvme0n1 with two partitions; dm-0 lies on the second.
FakeKernel withDisk() {
    auto kernel = machine();
    const std::string nvme = "pci0000:00/0000:00:03.0/0000:05:00.0/nvme/nvme0/nvme0n1";
    putBlock(kernel, "nvme0n1", nvme, "259:0");
    putBlock(kernel, "nvme0n1p1", nvme + "/nvme0n1p1", "259:1");
    putBlock(kernel, "nvme0n1p2", nvme + "/nvme0n1p2", "259:2");
    putBlock(kernel, "dm-0", "virtual/block/dm-0", "254:0");
    kernel.putLink("/sys/devices/" + nvme + "/nvme0n1p2/holders/dm-0", "../../x/dm-0");
    kernel.putFile("/proc/swaps", "Filename\tType\n");
    kernel.putFile("/proc/self/mountinfo", "20 1 0:19 / /sys rw - sysfs sysfs rw\n");
    return kernel;
}

std::vector<std::string> sentences(const FakeKernel& kernel) {
    std::vector<std::string> list;
    for (const auto& blocker : storageBlockers(kernel, disk))
        list.push_back(blocker.str());
    return list;
}

// case 6
TEST(Storage, AnUnusedDiskIsFree) {
    EXPECT_THAT(sentences(withDisk()), IsEmpty());
}

TEST(Storage, AMountThroughDeviceMapperIsNamed) {
    auto kernel = withDisk();
    kernel.putFile("/proc/self/mountinfo", "21 1 254:0 / / rw shared:1 - ext4 /dev/mapper/vg0-root rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds / (nvme0n1p2 -> dm-0); unmount it first"));
}

TEST(Storage, BtrfsIsFoundByItsSource) {
    auto kernel = withDisk();
    kernel.putFile("/proc/self/mountinfo", "21 1 0:31 /@home /home rw - btrfs /dev/nvme0n1p1 rw\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /home (nvme0n1p1); unmount it first"));
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
    EXPECT_THAT(storageBlockers(kernel, *Address::parse(nic)), IsEmpty());
}

} // namespace
} // namespace vfiobind
