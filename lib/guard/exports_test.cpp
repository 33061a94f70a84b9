// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/exports.h"

#include "fake/disk.h"
#include "guard/claimed.h"
#include "guard/guard.h"
#include "host_sysfs.h"

namespace vfiobind::exports_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string backend = "/sys/kernel/config/target/core/iblock_0/disk1";
const std::string space = "/sys/kernel/config/nvmet/subsystems/box/namespaces/1";

TEST(Exports, ADiskOfLioIsKnownByItsNumber) {
    auto kernel = withDisk();
    kernel.putFile("/sys/kernel/config/target/core/iblock_0/hba_info", "HBA Index: 1 plugin: iblock\n");
    // As Linux 6.1 has it without a LUN.
    kernel.putFile(backend + "/enable", "1\n");
    kernel.putFile(backend + "/info", "Status: DEACTIVATED  Max Queue Depth: 0  SectorSize: 512\n"
                                      "        iBlock device: nvme0n1p1  UDEV PATH: /dev/mine  readonly: 0\n"
                                      "        Major: 259 Minor: 1  CLAIMED: IBLOCK\n");
    kernel.putFile(backend + "/udev_path", "/dev/mine\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre("storage-member: 0000:05:00.0 holds nvme0n1p1, which is exported "
                            "(/sys/kernel/config/target/core/iblock_0/disk1); take it out of there first: "
                            "targetcli /backstores delete, or rmdir of it and its LUNs"));
    kernel.putFile(backend + "/enable", "0\n");
    EXPECT_THAT(sentences(kernel), IsEmpty());
}

TEST(Exports, AFileBackendUponADiskIsOne) {
    auto kernel = withDisk();
    const std::string file = "/sys/kernel/config/target/core/fileio_0/disk1";
    kernel.putFile(file + "/enable", "1\n");
    kernel.putFile(file + "/info",
                   "Status: ACTIVATED\n        TCM FILEIO ID: 0        File: /dev/nvme0n1  Size: 4096\n");
    kernel.putFile(file + "/udev_path", "\n");
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("holds nvme0n1, which is exported (" + file)));
    kernel.putFile("/srv/disk.img", "");
    kernel.putFile(file + "/info",
                   "Status: ACTIVATED\n        TCM FILEIO ID: 0        File: /srv/disk.img  Size: 4096\n");
    EXPECT_THAT(sentences(kernel), IsEmpty());
}

TEST(Exports, ANamespaceOfNvmesTargetIsOneOnceItIsEnabled) {
    auto kernel = withDisk();
    kernel.putFile(space + "/device_path", "/dev/nvme0n1p2\n");
    kernel.putFile(space + "/enable", "0\n");
    EXPECT_THAT(sentences(kernel), IsEmpty());
    kernel.putFile(space + "/enable", "1\n");
    EXPECT_THAT(sentences(kernel), ElementsAre(HasSubstr("holds nvme0n1p2, which is exported (" + space +
                                                         "); take it "
                                                         "out of there first: echo 0 > " +
                                                         space + "/enable")));
}

TEST(Exports, AControllerThatNvmesTargetPassesThroughIsOne) {
    auto kernel = withDisk();
    kernel.addNode({"pci0000:00/0000:00:03.0/0000:05:00.0/nvme/nvme0", "nvme", "240:0", "nvme0"});
    const std::string passthru = "/sys/kernel/config/nvmet/subsystems/box/passthru";
    kernel.putFile(passthru + "/device_path", "/dev/nvme0\n");
    kernel.putFile(passthru + "/enable", "1\n");
    EXPECT_THAT(sentences(kernel),
                ElementsAre(HasSubstr("0000:05:00.0 holds /dev/nvme0, which is exported (" + passthru)));
}

TEST(Exports, WhatCannotBeReadIsNotTakenForNone) {
    auto kernel = withDisk();
    kernel.putFile(backend + "/enable", "1\n");
    kernel.putFile(backend + "/info", "Status: ACTIVATED\n");
    kernel.putFile(space + "/enable", "1\n");
    kernel.putFile(space + "/device_path", "/dev/nvme0n1p2\n");
    for (const auto& path : {backend + "/enable", backend + "/info", space + "/enable",
                             std::string("/dev/nvme0n1p2"), std::string("/sys/kernel/config/target/core")}) {
        HostSysfs blind(kernel);
        blind.errors[path] = EIO;
        EXPECT_THAT(sentences(blind), testing::Contains(HasSubstr("cannot be told"))) << path;
    }
}

/// withDisk() with the controller itself, as group 5.
FakeKernel withController() {
    auto kernel = withDisk();
    kernel.addRootPort("0000:00:03.0", 4, 5);
    kernel.addDevice({.address = disk.str(), .ids = "1b36:0010", .classCode = 0x010802, .group = 5});
    kernel.putFile("/sys/devices/" + nvme + "/nvme0n1p1/partition", "1\n");
    kernel.putFile("/sys/devices/" + nvme + "/nvme0n1p2/partition", "2\n");
    return kernel;
}

std::vector<std::string> lastAnswers(const Sysfs& sysfs, const std::vector<std::string>& allow = {}) {
    std::vector<std::string> list;
    for (const auto& blocker : claimedDisks(sysfs, Topology::read(sysfs).value(), 5, allow))
        list.push_back(blocker.str());
    return list;
}

TEST(ClaimedDisks, TheKernelItselfIsAskedAboutWholeDisks) {
    auto kernel = withController();
    EXPECT_THAT(lastAnswers(kernel), IsEmpty());
    EXPECT_THAT(kernel.exclusiveOpens(), ElementsAre("/dev/nvme0n1"));
    kernel.refuseExclusive({.block = true, .major = 259, .minor = 0}, EBUSY);
    EXPECT_THAT(
        lastAnswers(kernel),
        ElementsAre("storage-member: 0000:05:00.0 holds /dev/nvme0n1, which the kernel has claimed: it is "
                    "mounted, part of a volume, exported, or a program has it for itself (open "
                    "/dev/nvme0n1: EBUSY (Device or resource busy)); end that first"));
    EXPECT_THAT(lastAnswers(kernel, {"boot-display"}), testing::SizeIs(1));
    EXPECT_THAT(lastAnswers(kernel, {"mounted"}), IsEmpty()) << "it is known to be";
}

TEST(ClaimedDisks, AnyOtherErrorCannotBeTold) {
    auto kernel = withController();
    kernel.refuseExclusive({.block = true, .major = 259, .minor = 0}, EPERM);
    EXPECT_THAT(lastAnswers(kernel),
                ElementsAre("storage-member: whether /dev/nvme0n1 is claimed cannot be told: open "
                            "/dev/nvme0n1: EPERM (Operation not permitted)"));
    auto other = withController();
    other.addNode({"virtual/block/ram0", "block", "1:0", "nvme0n1"}); // the node is another device's
    EXPECT_THAT(lastAnswers(other), ElementsAre(HasSubstr("cannot be told: open /dev/nvme0n1: ENXIO")));
    HostSysfs blind(other);
    blind.errors["/sys/dev/block"] = EIO;
    EXPECT_THAT(lastAnswers(blind), ElementsAre(HasSubstr("cannot be told: list /sys/dev/block: EIO")));
}

TEST(ClaimedDisks, NothingIsOpenedThatNobodyHasOpen) {
    auto kernel = withController();
    kernel.addDriver({.name = "nvme", .module = "nvme", .ids = {"::0108"}});
    ASSERT_EQ(bindTo(kernel, "nvme", disk.str()), 0);
    kernel.putLink("/sys/bus/pci/drivers/nvme/module", "../../../../module/nvme");
    kernel.putLink("/sys/module/nvme_core/holders/nvme", "../../nvme");
    kernel.putFile("/sys/module/nvme_core/refcnt", "1\n");
    kernel.putFile("/sys/module/nvme/refcnt", "0\n");
    EXPECT_THAT(lastAnswers(kernel), IsEmpty());
    EXPECT_THAT(kernel.exclusiveOpens(), IsEmpty());
}

} // namespace
} // namespace vfiobind::exports_test
