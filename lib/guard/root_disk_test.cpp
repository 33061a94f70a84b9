// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/root_disk.h"

#include "fake/machine.h"
#include "guard/guard.h"
#include "host_sysfs.h"

namespace vfiobind::root_disk_test {
namespace {

using namespace fakemachine;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string nvme = "0000:03:00.0";
const std::string virtioDisk = "0000:04:00.0";
const std::string ahci = "0000:05:00.0";

/// An initramfs before udev: three disk controllers, none with a driver.
FakeKernel beforeUdev(const std::string& commandLine) {
    auto kernel = machine();
    kernel.addDevice({.address = nvme, .ids = "144d:a808", .classCode = 0x010802, .group = 10});
    kernel.addDevice({.address = virtioDisk, .ids = "1af4:1042", .classCode = 0x010000, .group = 11});
    kernel.addDevice({.address = ahci, .ids = "8086:a282", .classCode = 0x010601, .group = 12});
    kernel.putFile("/proc/cmdline", commandLine + '\n');
    kernel.putFile("/proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n");
    return kernel;
}

/// The controllers that are refused.
std::vector<std::string> refused(const Sysfs& kernel) {
    Programs programs(kernel);
    const auto topology = Topology::read(kernel).value();
    std::vector<std::string> list;
    for (const auto& [address, device] : topology.devices())
        for (const auto& blocker : unseenRootBlockers(kernel, topology, device, programs)) {
            EXPECT_EQ(blocker.code, "mounted");
            EXPECT_FALSE(blocker.seen);
            list.push_back(address.str());
        }
    return list;
}

// case 6
TEST(UnseenRoot, IsOnTheControllersWhoseDriverNamesDisksSo) {
    for (const auto* value : {"/dev/nvme0n1p2", "/dev/disk/by-id/nvme-eui.0025-part2"})
        EXPECT_THAT(refused(beforeUdev(std::string("root=") + value)), ElementsAre(nvme)) << value;
    for (const auto* value : {"/dev/vda", "/dev/disk/by-id/virtio-root"})
        EXPECT_THAT(refused(beforeUdev(std::string("root=") + value)), ElementsAre(virtioDisk)) << value;
    for (const auto* value : {"/dev/sda2", "/dev/disk/by-id/ata-X"})
        EXPECT_THAT(refused(beforeUdev(std::string("root=") + value)), ElementsAre(ahci)) << value;
    EXPECT_THAT(refused(beforeUdev("root=/dev/disk/by-path/pci-0000:05:00.0-ata-1-part2")),
                ElementsAre(ahci));
    for (const auto* value : {"/dev/mmcblk0p2", "/dev/xvda1", "/dev/nfs", "ZFS=tank/root"})
        EXPECT_THAT(refused(beforeUdev(std::string("root=") + value)), IsEmpty()) << value;
    EXPECT_THAT(refused(beforeUdev("quiet")), IsEmpty());
}

TEST(UnseenRoot, OfANameThatTellsNoKindIsOnTheOnlyControllerThereIs) {
    for (const auto* value : {"UUID=12-34", "/dev/mapper/vg0-root", "/dev/sdata/root", "259:2"}) {
        auto kernel = beforeUdev(std::string("root=") + value);
        EXPECT_THAT(refused(kernel), IsEmpty()) << value;
        kernel.unplug(virtioDisk);
        kernel.unplug(ahci);
        EXPECT_THAT(refused(kernel), ElementsAre(nvme)) << value;
    }
}

TEST(UnseenRoot, BehindVmdIsOnTheVmdController) {
    auto kernel = beforeUdev("root=/dev/nvme0n1p2");
    kernel.addDevice({.address = "0000:06:00.0", .ids = "8086:467f", .classCode = 0x010400, .group = 13});
    EXPECT_THAT(refused(kernel), ElementsAre(nvme, "0000:06:00.0"));
}

// The real root's early unit and the daemon: a disk without a driver stays bindable.
TEST(UnseenRoot, IsNoMatterOnceItIsMounted) {
    auto kernel = beforeUdev("root=/dev/nvme0n1p2");
    kernel.putFile("/proc/self/mountinfo", "21 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n");
    EXPECT_THAT(refused(kernel), IsEmpty());
}

TEST(UnseenRoot, ThatIsSeenElsewhereIsNotHere) {
    auto kernel = beforeUdev("root=/dev/nvme0n1p2");
    kernel.putDirectory("/sys/class/block/nvme0n1p2");
    EXPECT_THAT(refused(kernel), IsEmpty());
}

TEST(UnseenRoot, IsNotLookedForOnWhatVfioHasOrWhoseDisksAreThere) {
    auto kernel = beforeUdev("root=/dev/nvme0n1p2");
    toVfio(kernel, nvme);
    EXPECT_THAT(refused(kernel), IsEmpty());
    auto seen = beforeUdev("root=/dev/nvme0n1p2");
    seen.putLink("/sys/class/block/nvme0n1",
                 "../../devices/pci0000:00/0000:00:03.0/0000:03:00.0/nvme/nvme0/nvme0n1");
    EXPECT_THAT(refused(seen), IsEmpty());
}

TEST(UnseenRoot, WithACommandLineThatCannotBeReadIsNotTakenForElsewhere) {
    auto kernel = beforeUdev("root=/dev/vda");
    HostSysfs blind(kernel);
    blind.errors["/proc/cmdline"] = EIO;
    EXPECT_THAT(refused(blind), ElementsAre(nvme, virtioDisk, ahci));
    kernel.putFile("/proc/self/mountinfo", "21 1 254:0 / / rw - ext4 /dev/vda rw\n");
    EXPECT_THAT(refused(blind), IsEmpty());
}

TEST(UnseenRoot, StopsTheWholeGroup) {
    const auto kernel = beforeUdev("root=/dev/nvme0n1p2 ro");
    const auto found = inspect(kernel, Topology::read(kernel).value(), 10, Action::bind);
    ASSERT_EQ(found.blockers.size(), 1U);
    EXPECT_EQ(found.blockers[0].str(),
              "mounted: whether 0000:03:00.0 holds the root file system cannot be told: root=/dev/nvme0n1p2 "
              "of the kernel's command line may name a disk of it, and its disks are not to be seen yet; it "
              "is looked at again when the root file system is mounted");
}

} // namespace
} // namespace vfiobind::root_disk_test
