// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/idle.h"

#include "guard/holders.h"
#include "guard/processes.h"

#include "fake/disk.h"
#include "fake/kernel_seam.h"
#include "host_sysfs.h"

namespace vfiobind::idle_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// withDisk(), whose driver is there and counted: nothing has a disk open.
FakeKernel withIdleDisk() {
    auto kernel = withDisk();
    kernel.addDriver({.name = "nvme", .module = "nvme", .ids = {"::0108"}});
    kernel.addRootPort("0000:00:03.0", 4, 5);
    kernel.addDevice(
        {.address = disk.str(), .ids = "1b36:0010", .classCode = 0x010802, .group = 5, .driver = "nvme"});
    kernel.putLink("/sys/bus/pci/drivers/nvme/module", "../../../../module/nvme");
    kernel.putLink("/sys/module/nvme_core/holders/nvme", "../../nvme");
    kernel.putFile("/sys/module/nvme_core/refcnt", "1\n");
    kernel.putFile("/sys/module/nvme/refcnt", "0\n");
    return kernel;
}

TEST(Idle, IsToldByTheDriversCountsAlone) {
    const auto idle = withIdleDisk();
    EXPECT_TRUE(noDiskIsOpen(idle, disk));
    const auto after = [](auto change) {
        auto kernel = withIdleDisk();
        change(kernel);
        return noDiskIsOpen(kernel, disk);
    };
    EXPECT_FALSE(after([](FakeKernel& k) { k.putFile("/sys/module/nvme_core/refcnt", "2\n"); }))
        << "a disk is open";
    EXPECT_FALSE(after([](FakeKernel& k) { k.putFile("/sys/module/nvme_core/refcnt", "10\n"); }));
    EXPECT_FALSE(after([](FakeKernel& k) { k.putFile("/sys/module/nvme/refcnt", "1\n"); }))
        << "nvmet has a controller";
    EXPECT_FALSE(after([](FakeKernel& k) { k.dropPath("/sys/module/nvme_core/refcnt"); }))
        << "it is not counted";
    EXPECT_FALSE(after([](FakeKernel& k) { k.dropPath("/sys/module/nvme/refcnt"); })) << "it is not counted";
    EXPECT_FALSE(after([](FakeKernel& k) {
        k.putLink("/sys/module/nvme_core/holders/nvme_fabrics", "../../nvme_fabrics");
        k.putFile("/sys/module/nvme_core/refcnt", "3\n");
    })) << "two modules use it, and a disk is open";
    EXPECT_FALSE(after([](FakeKernel& k) { k.dropPath("/sys/module/nvme_core/holders"); }));
    EXPECT_FALSE(after([](FakeKernel& k) {
        for (const auto* name : {"nvme0n1", "nvme0n1p1", "nvme0n1p2"})
            k.dropPath(std::string("/sys/class/block/") + name);
    })) << "no disk: the driver may be about to show one";
    EXPECT_TRUE(after([](FakeKernel& k) {
        k.putLink("/sys/module/nvme_core/holders/nvme_fabrics", "../../nvme_fabrics");
        k.putFile("/sys/module/nvme_core/refcnt", "2\n");
    })) << "a module that uses it has no disk open by that";
    EXPECT_FALSE(after([](FakeKernel& k) { ASSERT_EQ(unbindIt(k, disk.str()), 0); }))
        << "no driver is counted";
}

/// A controller without a disk has its own node all the same.
TEST(Idle, OfNvmesNodesTellsTheFunctionsOwnDriver) {
    const auto after = [](auto change) {
        auto kernel = withIdleDisk();
        for (const auto* name : {"nvme0n1", "nvme0n1p1", "nvme0n1p2"})
            kernel.dropPath(std::string("/sys/class/block/") + name);
        change(kernel);
        const bool idle = noNodeIsOpen(kernel, disk, "nvme");
        EXPECT_EQ(noNodeIsOpen(kernel, disk, "nvme-generic"), idle);
        return idle;
    };
    EXPECT_TRUE(after([](FakeKernel&) {}));
    EXPECT_FALSE(after([](FakeKernel& k) { k.putFile("/sys/module/nvme_core/refcnt", "2\n"); }));
    EXPECT_FALSE(after([](FakeKernel& k) { k.putFile("/sys/module/nvme/refcnt", "1\n"); }));
    EXPECT_FALSE(after([](FakeKernel& k) { ASSERT_EQ(unbindIt(k, disk.str()), 0); }));
}

/// A module that is unloaded between two looks leaves room for a disk that is open.
TEST(Idle, IsNotToldWhileTheUsersOfTheModuleChange) {
    auto kernel = withIdleDisk();
    const std::string module = "/sys/module/nvme_core/";
    kernel.putLink(module + "holders/nvme_fabrics", "../../nvme_fabrics");
    kernel.putFile(module + "refcnt", "2\n");
    class Unloading final : public KernelSeam {
    public:
        using KernelSeam::KernelSeam;
        SysResult<std::vector<std::string>> list(const std::string& path) const override {
            auto names = kernel_.list(path);
            if (path.ends_with("/holders")) // and there remain nvme and a disk that is open
                kernel_.dropPath(path + "/nvme_fabrics");
            return names;
        }
    };
    EXPECT_FALSE(noDiskIsOpen(Unloading(kernel), disk));
}

TEST(Idle, AScsiDiskCountsForTheDriverOfItsHost) {
    const auto stick = [](const std::string& driver, const std::string& count, const std::string& below) {
        auto kernel = machine();
        putBlock(kernel, "sdb", "pci0000:00/0000:00:14.0/" + below + "/target6:0:0/6:0:0:0/block/sdb",
                 "8:16");
        const auto folder = "/sys/devices/pci0000:00/0000:00:14.0/" + below.substr(0, below.rfind("/host"));
        kernel.putLink((below.starts_with("ata") ? "/sys/devices/pci0000:00/0000:00:14.0" : folder) +
                           "/driver",
                       "/sys/bus/usb/drivers/of-it");
        kernel.putLink("/sys/bus/usb/drivers/of-it/module", "../../../../module/" + driver);
        kernel.putFile("/sys/module/" + driver + "/refcnt", count + '\n');
        return noDiskIsOpen(kernel, *Address::parse("0000:00:14.0"));
    };
    const std::string usb = "usb2/2-1/2-1:1.0/host6";
    EXPECT_TRUE(stick("usb_storage", "0", usb));
    EXPECT_FALSE(stick("usb_storage", "1", usb));
    EXPECT_TRUE(stick("ahci", "0", "ata1/host6"));
    EXPECT_FALSE(stick("ahci", "1", "ata1/host6"));
    EXPECT_FALSE(stick("bnx2", "0", "host6")) << "the host is bnx2i's, which counts for itself";
    EXPECT_FALSE(stick("usb_storage", "0", "usb2/2-1/2-1:1.0/hosts"));
}

/// What would say that the disk is in use.
void hideTheHost(HostSysfs& host) {
    for (const auto* path :
         {"/proc", "/proc/1/mountinfo", "/proc/self/mountinfo", "/proc/swaps", "/sys/fs/btrfs"})
        host.errors[path] = EACCES;
}

TEST(Idle, ADiskThatNothingHasOpenIsFreeWithoutALookAtTheHost) {
    auto kernel = withIdleDisk();
    putBlock(kernel, "sda1", "pci0000:00/0000:00:17.0/ata1/block/sda/sda1", "8:1");
    kernel.putFile("/proc/cmdline", "root=/dev/sda1\n");
    HostSysfs host(kernel);
    hideTheHost(host);
    EXPECT_THAT(blockersOf(host, disk), IsEmpty());
    kernel.putFile("/sys/module/nvme_core/refcnt", "2\n");
    EXPECT_THAT(blockersOf(host, disk), testing::Not(IsEmpty()));
}

/// A NIC in group 3 is on vfio-pci, and nothing but its own modules uses vfio.
FakeKernel withIdleVfio() {
    auto kernel = machine();
    EXPECT_EQ(unbindIt(kernel, nic), 0);
    EXPECT_TRUE(kernel.write("/sys/bus/pci/devices/" + nic + "/driver_override", "vfio-pci"));
    EXPECT_TRUE(kernel.write("/sys/bus/pci/drivers/vfio-pci/bind", nic));
    for (const auto* module : {"vfio_pci_core", "vfio_iommu_type1"})
        kernel.putLink(std::string("/sys/module/vfio/holders/") + module, std::string("../../") + module);
    kernel.putFile("/sys/module/vfio/refcnt", "2\n");
    return kernel;
}

TEST(Idle, VfiosNodesCountForItsModule) {
    auto kernel = withIdleVfio();
    EXPECT_TRUE(noVfioNodeIsOpen(kernel));
    kernel.putFile("/sys/module/vfio/refcnt", "4\n");
    EXPECT_FALSE(noVfioNodeIsOpen(kernel)) << "a VM has a group open";
    kernel.dropPath("/sys/module/vfio/refcnt");
    EXPECT_FALSE(noVfioNodeIsOpen(kernel)) << "it is built in";
}

TEST(Idle, AGroupIsFreeWithoutALookAtTheHostWhereNoVfioNodeIsOpen) {
    auto kernel = withIdleVfio();
    const auto topology = Topology::read(kernel).value();
    HostSysfs host(kernel);
    hideTheHost(host);
    Programs idle(host);
    EXPECT_THAT(vfioOpeners(host, topology, 3, idle).unreadable, IsEmpty());
    kernel.putFile("/sys/module/vfio/refcnt", "4\n");
    Programs used(host);
    EXPECT_THAT(vfioOpeners(host, topology, 3, used).unreadable, testing::Not(IsEmpty()));
}

/// ZFS closes a disk that is offline, and wants it again.
TEST(Idle, WithZfsADiskThatIsNotOpenCanBeOfAPool) {
    auto kernel = withIdleDisk();
    kernel.putFile("/proc/spl/kstat/zfs/tank/state", "ONLINE\n");
    kernel.putFile("/run/udev/data/b259:1", "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=tank\n");
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("is part of the ZFS pool tank (nvme0n1p1)")));
}

TEST(Idle, OneDiskThatIsOpenHasAllLookedAt) {
    auto kernel = withIdleDisk();
    mount(kernel, "30 1 259:2 / /data rw - ext4 /dev/nvme0n1p2 rw");
    kernel.putFile("/sys/module/nvme_core/refcnt", "2\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("mounted: 0000:05:00.0 holds /data (nvme0n1p2); unmount it first"));
}

/// In an initramfs nothing has the root's disk open yet.
TEST(Idle, TheDisksOfTheCommandLineAreKnownThoughNothingHasThemOpen) {
    auto kernel = withIdleDisk();
    kernel.putFile("/proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n");
    kernel.putFile("/proc/cmdline", "root=/dev/nvme0n1p2 resume=/dev/nvme0n1p1\n");
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("holds the root file system (nvme0n1p2)"),
                                               HasSubstr("holds the image to resume from (nvme0n1p1)")));
    kernel.putFile("/proc/cmdline", "root=UUID=12-34\n");
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("cannot be told: root=UUID=12-34")));
    mount(kernel, "30 1 8:1 / / rw - ext4 /dev/sda1 rw");
    EXPECT_THAT(sentences(kernel), IsEmpty());

    auto paths = withIdleDisk();
    for (const auto* name : {"nvme0n1", "nvme0n1p1", "nvme0n1p2"})
        paths.dropPath(std::string("/sys/class/block/") + name);
    putBlock(paths, "nvme0c0n1", "pci0000:00/0000:00:03.0/0000:05:00.0/nvme/nvme0/nvme0c0n1", "");
    putBlock(paths, "nvme0n1", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0");
    putBlock(paths, "nvme0n1p1", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1", "259:1");
    paths.putFile("/proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n");
    paths.putFile("/proc/cmdline", "root=/dev/nvme0n1p1\n");
    EXPECT_THAT(sentences(paths), ElementsAre(HasSubstr("(nvme0c0n1 -> nvme0n1p1)")));
}

} // namespace
} // namespace vfiobind::idle_test
