// SPDX-License-Identifier: LGPL-2.1-or-later
// The fake kernel against the real one: what vfio refuses, who holds what. The test names cite the numbered
// fact that they show.
#include "fake/machine.h"

#include <cerrno>

namespace vfiobind::fake_vfio_test {
namespace {

using namespace fakemachine;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// ---- fact 5: new_id

TEST(Fact5, NewIdBindsEveryUnboundMatch) {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:02:00.1", .ids = "8086:10d3", .group = 8});
    kernel.addDevice({.address = "0000:02:00.2", .ids = "8086:10d3", .group = 9});
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/new_id", "8086 10d3"), 0);
    EXPECT_EQ(kernel.driverOf(nic), "e1000e"); // bound ones stay
    EXPECT_EQ(kernel.driverOf("0000:02:00.1"), "vfio-pci");
    EXPECT_EQ(kernel.driverOf("0000:02:00.2"), "vfio-pci");
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/new_id", "8086 10d3"), EEXIST);
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/new_id", "8086"), EINVAL);
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/remove_id", "8086 10d3"), 0);
    EXPECT_EQ(kernel.driverOf("0000:02:00.1"), "vfio-pci"); // remove_id unbinds nothing
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/remove_id", "8086 10d3"), ENODEV);
}

TEST(Fact5, NewIdOfAStaticIdExists) {
    auto kernel = machine();
    EXPECT_EQ(put(kernel, drivers + "e1000e/new_id", "8086 10d3"), EEXIST);
}

TEST(Fact5, TheGuidesShellLoopLeavesDevicesWithoutADriver) {
    FakeKernel kernel;
    kernel.addVfioPci();
    kernel.addDriver({.name = "nvme", .module = "nvme", .ids = {"::0108"}});
    for (int i = 0; i < 8; ++i)
        kernel.addDevice({.address = "0000:00:0" + std::to_string(i) + ".0",
                          .ids = "1b36:0010",
                          .classCode = 0x010802,
                          .group = static_cast<unsigned>(i),
                          .driver = "nvme"});
    int bound = 0;
    for (int i = 0; i < 8; ++i) {
        const std::string address = "0000:00:0" + std::to_string(i) + ".0";
        ASSERT_EQ(unbindIt(kernel, address), 0);
        EXPECT_EQ(put(kernel, drivers + "vfio-pci/new_id", "1b36 0010"), i == 0 ? 0 : EEXIST);
        bound += kernel.driverOf(address) == "vfio-pci" ? 1 : 0;
    }
    EXPECT_EQ(bound, 1);
}

// ---- fact 6: what vfio refuses

TEST(Fact6, VfioRefusesBridgesDenylistedAndUngrouped) {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:00:1a.0", .ids = "8086:37c8", .classCode = 0x0b4000, .group = 20});
    kernel.addDevice({.address = "0000:00:1b.0", .ids = "8086:1234", .classCode = 0x020000});
    for (const auto* address : {"0000:00:01.0", "0000:00:1a.0", "0000:00:1b.0"}) {
        ASSERT_EQ(overrideTo(kernel, address, "vfio-pci"), 0);
        if (!kernel.driverOf(address).empty()) {
            ASSERT_EQ(unbindIt(kernel, address), 0);
        }
        EXPECT_EQ(bindTo(kernel, "vfio-pci", address), EINVAL) << address;
        EXPECT_EQ(kernel.driverOf(address), "");
    }
}

TEST(Fact6, VfioRefusesAPfWithVfs) {
    auto kernel = machine();
    kernel.addDriver({.name = "nvme", .module = "nvme", .ids = {"::0108"}, .sriov = true, .keepsVfs = true});
    const std::string pf = "0000:00:05.0";
    kernel.addDevice({.address = pf,
                      .ids = "1b36:0010",
                      .classCode = 0x010802,
                      .group = 30,
                      .driver = "nvme",
                      .totalVfs = 8,
                      .vfIds = "1b36:0010"});
    ASSERT_EQ(put(kernel, devices + pf + "/sriov_numvfs", "2"), 0);
    ASSERT_EQ(overrideTo(kernel, pf, "vfio-pci"), 0);
    ASSERT_EQ(unbindIt(kernel, pf), 0);
    EXPECT_EQ(bindTo(kernel, "vfio-pci", pf), EBUSY);
}

// ---- fact 7: viability

TEST(Fact7, EveryNativeDriverCountsAgainstViability) {
    auto kernel = machine();
    kernel.addDriver({.name = "pci-stub", .module = "pci_stub", .managedDma = true});
    kernel.addDriver({.name = "pci-pf-stub", .module = "pci_pf_stub"});
    toVfio(kernel, gpu);
    EXPECT_FALSE(kernel.groupViable(1));
    ASSERT_EQ(unbindIt(kernel, audio), 0);
    EXPECT_TRUE(kernel.groupViable(1)); // no driver at all
    ASSERT_EQ(overrideTo(kernel, audio, "pci-stub"), 0);
    ASSERT_EQ(bindTo(kernel, "pci-stub", audio), 0);
    EXPECT_TRUE(kernel.groupViable(1));
    ASSERT_EQ(unbindIt(kernel, audio), 0);
    ASSERT_EQ(overrideTo(kernel, audio, "pci-pf-stub"), 0);
    ASSERT_EQ(bindTo(kernel, "pci-pf-stub", audio), 0);
    EXPECT_FALSE(kernel.groupViable(1));
    EXPECT_TRUE(kernel.groupViable(0)); // pcieport
}

TEST(Fact7, NativeProbesAreRefusedWhileTheGroupIsClaimed) {
    auto kernel = machine();
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    ASSERT_EQ(kernel.startHolder({.pid = 812, .group = 1, .devices = std::vector<std::string>{gpu}}), 0);
    ASSERT_EQ(unbindIt(kernel, audio), 0); // its fd is not open
    ASSERT_EQ(overrideTo(kernel, audio, "\n"), 0);
    EXPECT_EQ(bindTo(kernel, "snd_hda_intel", audio), EBUSY);
    EXPECT_EQ(probe(kernel, audio), EINVAL); // consumers.md, measured
    EXPECT_EQ(kernel.driverOf(audio), "");
    ASSERT_EQ(overrideTo(kernel, audio, "vfio-pci"), 0);
    EXPECT_EQ(bindTo(kernel, "vfio-pci", audio), 0);
}

// ---- facts 8 and 9: holders

TEST(Fact8, NodesAreExclusiveAndHoldersAreSeenInProc) {
    auto kernel = machine();
    EXPECT_EQ(kernel.startHolder({.pid = 812, .group = 1}), ENOENT);
    toVfio(kernel, gpu);
    EXPECT_EQ(kernel.startHolder({.pid = 812, .group = 1}), EPERM); // not viable: the audio function
    toVfio(kernel, audio);
    ASSERT_EQ(kernel.startHolder({.pid = 812, .group = 1}), 0);
    EXPECT_EQ(kernel.startHolder({.pid = 813, .group = 1}), EBUSY);
    EXPECT_THAT(kernel.list("/proc").value(), Contains("812"));
    EXPECT_EQ(kernel.link("/proc/812/fd/11").value(), "/dev/vfio/1");
    EXPECT_EQ(kernel.read("/proc/812/comm").value(), "qemu-system-x86");
    EXPECT_THAT(kernel.read("/proc/812/cmdline").value(), HasSubstr(std::string("-name\0guest=demo", 16)));
    EXPECT_THROW((void)kernel.read("/dev/vfio/1"), std::logic_error); // nobody may open it to test
    EXPECT_EQ(kernel.node("/proc/812/fd/11").value(), kernel.node("/dev/vfio/1").value());
    EXPECT_EQ(kernel.read("/sys/class/vfio/1/dev").value(), kernel.node("/dev/vfio/1").value()->str());
    kernel.endProcess(812);
    EXPECT_FALSE(kernel.exists("/proc/812"));
}

TEST(Fact39, AGroupIsTakenByOneWayAndOneIommufd) {
    auto kernel = machine();
    kernel.version = FakeVersion::v6_12;
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    ASSERT_EQ(kernel.startHolder({.pid = 812, .cdev = gpu}), 0);
    EXPECT_EQ(kernel.link("/proc/812/fd/11").value(), "/dev/vfio/devices/vfio0");
    EXPECT_EQ(kernel.startHolder({.pid = 813, .group = 1}), EBUSY);
    EXPECT_EQ(kernel.startHolder({.pid = 813, .cdev = audio}), EPERM);
    kernel.endProcess(812);
    ASSERT_EQ(kernel.startHolder({.pid = 813, .group = 1}), 0);
    EXPECT_EQ(kernel.startHolder({.pid = 812, .cdev = gpu}), EBUSY);
}

TEST(Fact38, CdevsAreThereWhereTheKernelHasThem) {
    auto kernel = machine();
    kernel.version = FakeVersion::v6_12;
    toVfio(kernel, gpu);
    EXPECT_TRUE(kernel.exists("/dev/iommu"));
    EXPECT_TRUE(kernel.exists("/dev/vfio/devices/vfio0"));
    EXPECT_TRUE(kernel.exists(devices + gpu + "/vfio-dev/vfio0/dev"));
    kernel.cdevsBuilt = false;
    EXPECT_FALSE(kernel.exists("/dev/iommu"));
    EXPECT_FALSE(kernel.exists("/dev/vfio/devices/vfio0"));
    EXPECT_TRUE(kernel.exists(devices + gpu + "/vfio-dev/vfio0"));
    EXPECT_FALSE(kernel.exists(devices + gpu + "/vfio-dev/vfio0/dev"));
}

TEST(Fact9, UnbindFromVfioBlocksUntilTheHolderLeaves) { // case 36
    auto kernel = machine();
    std::vector<std::string> events;
    kernel.onUevent = [&](const FakeUevent& event) { events.push_back(event.str()); };
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    ASSERT_EQ(kernel.startHolder({.pid = 812, .group = 1}), 0);
    EXPECT_THROW(unbindIt(kernel, gpu), FakeKernel::Hung);
    EXPECT_EQ(kernel.writes().back().result, FakeWrite::hung);
    EXPECT_FALSE(kernel.exists(devices + gpu + "/driver"));
    EXPECT_THROW((void)kernel.read(devices + gpu + "/uevent"), FakeKernel::Hung);
    events.clear();
    kernel.finishHang(); // only the holder can end it
    EXPECT_TRUE(kernel.anythingHangs());
    kernel.endProcess(812);
    EXPECT_FALSE(kernel.anythingHangs());
    EXPECT_THAT(events, ElementsAre("remove vfio-dev vfio0", "unbind pci 0000:01:00.0"));
    EXPECT_TRUE(kernel.exists("/dev/vfio/1")); // the audio function is still there
}

TEST(Fact9, HotUnplugOfAHeldDeviceHoldsTheRescanLock) {
    auto kernel = machine();
    toVfio(kernel, nic);
    ASSERT_EQ(kernel.startHolder({.pid = 812, .group = 3}), 0);
    kernel.unplug(nic);
    EXPECT_TRUE(kernel.present(nic));
    EXPECT_THROW(put(kernel, devices + gpu + "/remove", "1"), FakeKernel::Hung);
    EXPECT_THROW(put(kernel, "/sys/bus/pci/rescan", "1"), FakeKernel::Hung);
    EXPECT_TRUE(kernel.present(gpu));
    kernel.endProcess(812);
    EXPECT_FALSE(kernel.present(nic));
    EXPECT_FALSE(kernel.anythingHangs());
    EXPECT_TRUE(kernel.present(gpu)); // removed, and found again by the rescan that had waited too
    EXPECT_EQ(kernel.driverOf(gpu), "nouveau");
}

} // namespace
} // namespace vfiobind::fake_vfio_test
