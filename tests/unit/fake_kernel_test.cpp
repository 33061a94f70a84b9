// SPDX-License-Identifier: LGPL-2.1-or-later
// The fake kernel against what was read in, or measured on, the real one: the files, matching and binding.
// The test names cite the numbered fact that they show.
#include "fake/machine.h"

#include <cerrno>

namespace vfiobind::fake_kernel_test {
namespace {

using namespace fakemachine;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(FakeTree, LinksAndNestingAreTheKernels) {
    const auto kernel = machine();
    EXPECT_EQ(kernel.link(devices + gpu).value(), "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0");
    EXPECT_EQ(kernel.link(devices + gpu + "/driver").value(), "../../../../bus/pci/drivers/nouveau");
    EXPECT_EQ(kernel.link(devices + gpu + "/iommu_group").value(), "../../../../kernel/iommu_groups/1");
    EXPECT_EQ(kernel.link(drivers + "nouveau/" + gpu).value(),
              "../../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0");
    EXPECT_EQ(kernel.link(drivers + "nouveau/module").value(), "../../../../module/nouveau");
    EXPECT_THAT(kernel.list("/sys/kernel/iommu_groups/1/devices").value(), ElementsAre(gpu, audio));
    EXPECT_TRUE(kernel.exists("/sys/kernel/iommu_groups/1/devices/" + audio + "/driver/bind"));
    EXPECT_TRUE(kernel.exists("/sys/devices/pci0000:00/0000:00:01.0/secondary_bus_number"));
    EXPECT_FALSE(kernel.exists(devices + gpu + "/secondary_bus_number"));
    EXPECT_EQ(kernel.read(devices + "0000:00:02.0/secondary_bus_number").value(), "2");
    EXPECT_EQ(kernel.read(devices + gpu + "/modalias").value(),
              "pci:v000010DEd00001284sv00000000sd00000000bc03sc00i00");
    EXPECT_EQ(kernel.read(devices + gpu + "/class").value(), "0x030000");
    EXPECT_EQ(kernel.read(devices + gpu + "/boot_vga").value(), "1");
    EXPECT_FALSE(kernel.exists(devices + audio + "/boot_vga"));
    EXPECT_EQ(kernel.read("/sys/module/vfio_pci/parameters/disable_vga").value(), "N");
    EXPECT_THAT(kernel.list("/sys/class/iommu").value(), ElementsAre("dmar0"));
    EXPECT_THAT(kernel.list(devices + gpu).value(), Contains("driver_override"));
    EXPECT_EQ(kernel.read(devices + gpu + "/config").value().substr(0, 4), std::string("\xde\x10\x84\x12"));
    EXPECT_THAT(kernel.read(devices + gpu + "/uevent").value(),
                HasSubstr("DRIVER=nouveau\nPCI_CLASS=30000\nPCI_ID=10DE:1284\nPCI_SUBSYS_ID=0000:0000\n"
                          "PCI_SLOT_NAME=0000:01:00.0\nMODALIAS=pci:v000010DE"));
}

TEST(FakeTree, ErrorsAreTheKernels) {
    auto kernel = machine();
    EXPECT_EQ(kernel.read(devices + "0000:05:00.0/vendor").error().code, ENOENT);
    EXPECT_EQ(kernel.read(devices + gpu).error().code, EISDIR);
    EXPECT_EQ(kernel.read(drivers + "nouveau/bind").error().code, EACCES);
    EXPECT_EQ(put(kernel, devices + gpu + "/vendor", "0x1234"), EACCES);
    EXPECT_EQ(put(kernel, drivers + "nvidia/bind", gpu), ENOENT);
    EXPECT_EQ(kernel.link(devices + gpu + "/vendor").error().code, EINVAL);
    EXPECT_EQ(kernel.list(devices + gpu + "/vendor").error().code, ENOTDIR);
}

TEST(FakeTree, PlainFilesBesideAndInsideTheDevices) {
    auto kernel = machine();
    kernel.putFile("/proc/iomem", "fd000000-fdffffff : BOOTFB\n");
    kernel.putDirectory(devices + nic + "/net/eth0");
    kernel.putLink("/sys/class/net/eth0", "../../devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/eth0");
    EXPECT_EQ(kernel.read("/proc/iomem").value(), "fd000000-fdffffff : BOOTFB");
    EXPECT_THAT(kernel.list("/sys/class/net").value(), ElementsAre("eth0"));
    EXPECT_TRUE(kernel.exists("/sys/class/net/eth0/../../vendor"));
    kernel.unplug(nic);
    EXPECT_FALSE(kernel.exists("/sys/class/net/eth0/"));
}

// ---- fact 1: driver_override

TEST(Fact1, OverrideExcludesEveryOtherDriver) {
    auto kernel = machine();
    ASSERT_EQ(overrideTo(kernel, gpu, "none"), 0);
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    EXPECT_EQ(bindTo(kernel, "nouveau", gpu), ENODEV);
    EXPECT_EQ(bindTo(kernel, "vfio-pci", gpu), ENODEV);
    EXPECT_EQ(probe(kernel, gpu), 0);
    EXPECT_EQ(kernel.driverOf(gpu), "");
}

TEST(Fact1, OverrideIsBeforeDynamicIds) {
    auto kernel = machine();
    ASSERT_EQ(overrideTo(kernel, gpu, "nouveau"), 0);
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/new_id", "10de 1284"), 0);
    EXPECT_EQ(kernel.driverOf(gpu), "");
    EXPECT_EQ(probe(kernel, gpu), 0);
    EXPECT_EQ(kernel.driverOf(gpu), "nouveau");
}

TEST(Fact1, OverrideMatchesWhateverTheIds) {
    auto kernel = machine();
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    EXPECT_EQ(bindTo(kernel, "e1000e", gpu), ENODEV);
    ASSERT_EQ(overrideTo(kernel, gpu, "e1000e"), 0);
    EXPECT_EQ(bindTo(kernel, "e1000e", gpu), 0);
}

TEST(Fact1, ClearingAndReadingTheOverride) {
    auto kernel = machine();
    const auto read = [&] { return kernel.read(devices + gpu + "/driver_override").value(); };
    EXPECT_EQ(read(), "(null)");
    ASSERT_EQ(overrideTo(kernel, gpu, "vfio-pci\n"), 0);
    EXPECT_EQ(read(), "vfio-pci");
    ASSERT_EQ(overrideTo(kernel, gpu, ""), 0); // zero bytes do nothing
    EXPECT_EQ(read(), "vfio-pci");
    ASSERT_EQ(overrideTo(kernel, gpu, "\n"), 0);
    EXPECT_EQ(read(), "(null)");
    kernel.unsetOverrideReads = "";
    EXPECT_EQ(read(), "");
    EXPECT_EQ(overrideTo(kernel, gpu, std::string(4095, 'x')), EINVAL);
}

TEST(Fact1, WritingTheOverrideDoesNothingElse) {
    auto kernel = machine();
    std::vector<std::string> events;
    kernel.onUevent = [&](const FakeUevent& event) { events.push_back(event.str()); };
    ASSERT_EQ(overrideTo(kernel, gpu, "vfio-pci"), 0);
    EXPECT_EQ(kernel.driverOf(gpu), "nouveau");
    EXPECT_TRUE(events.empty());
}

// ---- fact 2: locks

TEST(Fact2, DriverLinkIsGoneAndReadsBlockWhileAnUnbindHangs) {
    auto kernel = machine();
    kernel.failAt(0, Fault::hang());
    EXPECT_THROW(unbindIt(kernel, gpu), FakeKernel::Hung);
    EXPECT_FALSE(kernel.exists(devices + gpu + "/driver"));
    EXPECT_THROW((void)kernel.read(devices + gpu + "/driver_override"), FakeKernel::Hung);
    EXPECT_THROW((void)kernel.read(devices + gpu + "/uevent"), FakeKernel::Hung);
    EXPECT_EQ(kernel.read(devices + gpu + "/vendor").value(), "0x10de");
    EXPECT_EQ(kernel.read(devices + audio + "/driver_override").value(), "(null)");
    kernel.version = FakeVersion::v6_12;
    EXPECT_EQ(kernel.read(devices + gpu + "/driver_override").value(), "(null)");
    kernel.finishHang();
    EXPECT_FALSE(kernel.anythingHangs());
    EXPECT_THAT(kernel.read(devices + gpu + "/uevent").value(), testing::Not(HasSubstr("DRIVER=")));
    EXPECT_EQ(bindTo(kernel, "nouveau", gpu), 0);
}

TEST(Fact2, WritersWaitForTheLockAndThenHaveTheirEffect) {
    auto kernel = machine();
    kernel.failAt(0, Fault::hang());
    EXPECT_THROW(unbindIt(kernel, gpu), FakeKernel::Hung);
    EXPECT_THROW(overrideTo(kernel, gpu, "vfio-pci"), FakeKernel::Hung);
    EXPECT_THROW(bindTo(kernel, "nouveau", gpu), FakeKernel::Hung);
    EXPECT_EQ(kernel.overrideOf(gpu), "");
    kernel.finishHang();
    EXPECT_EQ(kernel.overrideOf(gpu), "vfio-pci");
    EXPECT_EQ(kernel.driverOf(gpu), ""); // the override has come first, and forbids nouveau
    EXPECT_FALSE(kernel.anythingHangs());
}

TEST(Fact2, ReadsThatTakeTheLockAreRecorded) {
    auto kernel = machine();
    (void)kernel.read(devices + gpu + "/vendor");
    (void)kernel.read(devices + gpu + "/modalias");
    (void)kernel.link(devices + gpu + "/driver");
    EXPECT_TRUE(kernel.lockedReads().empty());
    (void)kernel.read(devices + gpu + "/driver_override");
    (void)kernel.read(devices + gpu + "/uevent");
    EXPECT_THAT(kernel.lockedReads(),
                ElementsAre(HasSubstr("01:00.0/driver_override"), HasSubstr("01:00.0/uevent")));
    kernel.clearLockedReads();
    kernel.version = FakeVersion::v6_12;
    (void)kernel.read(devices + gpu + "/driver_override");
    EXPECT_TRUE(kernel.lockedReads().empty());
}

TEST(Fact2, AHungProbeAlreadyShowsItsDriver) {
    auto kernel = machine();
    ASSERT_EQ(overrideTo(kernel, gpu, "vfio-pci"), 0);
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    kernel.failAt(0, Fault::hang());
    EXPECT_THROW(bindTo(kernel, "vfio-pci", gpu), FakeKernel::Hung);
    EXPECT_EQ(kernel.driverOf(gpu), "vfio-pci");
    EXPECT_FALSE(kernel.exists("/dev/vfio/1"));
    kernel.finishHang();
    EXPECT_TRUE(kernel.exists("/dev/vfio/1"));
}

// ---- fact 3: probing and binding

TEST(Fact3, DriversProbeSucceedsWhenItDoesNothing) {
    auto kernel = machine();
    EXPECT_EQ(probe(kernel, gpu), 0); // bound already
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    kernel.unloadModule("nouveau");
    EXPECT_EQ(probe(kernel, gpu), 0); // no match
    EXPECT_EQ(kernel.driverOf(gpu), "");
    EXPECT_EQ(probe(kernel, "0000:09:00.0"), ENODEV);
}

TEST(Fact3, DriversProbeHidesThatAProbeFailed) {
    FakeKernel kernel;
    kernel.addDriver({.name = "broken", .module = "broken", .ids = {"1234:5678"}, .probeError = EIO});
    kernel.addDevice({.address = gpu, .ids = "1234:5678", .group = 1});
    EXPECT_EQ(probe(kernel, gpu), 0);
    EXPECT_EQ(kernel.driverOf(gpu), "");
    EXPECT_EQ(bindTo(kernel, "broken", gpu), EIO);
}

TEST(Fact3, BindTellsTheRealErrno) {
    auto kernel = machine();
    EXPECT_EQ(bindTo(kernel, "nouveau", gpu), EBUSY);   // bound already
    EXPECT_EQ(bindTo(kernel, "vfio-pci", gpu), ENODEV); // no match: vfio-pci's table wants the override
    EXPECT_EQ(bindTo(kernel, "nouveau", "0000:09:00.0"), ENODEV);
    FakeKernel later;
    later.addDriver({.name = "defers", .module = "defers", .ids = {"1234:"}, .probeError = 517});
    later.addDevice({.address = gpu, .ids = "1234:5678"});
    EXPECT_EQ(bindTo(later, "defers", gpu), EAGAIN);
}

TEST(Fact3, UnbindWantsTheRightDriver) {
    auto kernel = machine();
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/unbind", gpu), ENODEV);
    EXPECT_EQ(put(kernel, drivers + "nouveau/unbind", gpu + "\n"), 0);
    EXPECT_EQ(put(kernel, drivers + "nouveau/unbind", gpu), ENODEV);
}

// ---- fact 4: adding

TEST(Fact4, AddUeventComesBeforeMatching) {
    auto kernel = machine();
    std::vector<std::string> events;
    kernel.onUevent = [&](const FakeUevent& event) { events.push_back(event.str()); };
    kernel.hotplug({.address = "0000:02:00.1", .ids = "8086:10d3", .classCode = 0x020000, .group = 7});
    EXPECT_THAT(events, ElementsAre("add pci 0000:02:00.1", "bind pci 0000:02:00.1"));
    EXPECT_EQ(kernel.driverOf("0000:02:00.1"), "e1000e");
    kernel.unplug("0000:02:00.1");
    EXPECT_THAT(events, ElementsAre("add pci 0000:02:00.1", "bind pci 0000:02:00.1",
                                    "unbind pci 0000:02:00.1", "remove pci 0000:02:00.1"));
    EXPECT_FALSE(kernel.exists("/sys/kernel/iommu_groups/7"));
}

TEST(Fact4, AnOverrideWrittenAtTheUeventIsHonoured) {
    auto kernel = machine();
    kernel.onUevent = [&](const FakeUevent& event) { // the udev rule of design.md 4
        if (event.action == "add" && event.subsystem == "pci") {
            ASSERT_TRUE(kernel.writeAsOther("/sys" + event.devpath + "/driver_override", "vfio-pci"));
        }
    };
    kernel.hotplug({.address = "0000:02:00.1", .ids = "8086:10d3", .classCode = 0x020000, .group = 7});
    EXPECT_EQ(kernel.driverOf("0000:02:00.1"), "vfio-pci");
    EXPECT_TRUE(kernel.writes().empty());
}

TEST(Fact4, InTheAddWindowNothingBinds) { // case 31
    auto kernel = machine();
    kernel.addWindow = true;
    const std::string late = "0000:02:00.1";
    kernel.hotplug({.address = late, .ids = "8086:10d3", .classCode = 0x020000, .group = 7});
    EXPECT_EQ(overrideTo(kernel, late, "vfio-pci"), 0);
    EXPECT_EQ(bindTo(kernel, "vfio-pci", late), ENODEV);
    EXPECT_EQ(probe(kernel, late), 0);
    EXPECT_EQ(kernel.driverOf(late), "");
    kernel.finishAdd(late);
    EXPECT_EQ(kernel.driverOf(late), "vfio-pci");
}

} // namespace
} // namespace vfiobind::fake_kernel_test
