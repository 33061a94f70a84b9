// SPDX-License-Identifier: LGPL-2.1-or-later
// The faults that the fake kernel can be made to have.
#include "fake/machine.h"

#include <cerrno>

namespace vfiobind::fake_faults_test {
namespace {

using namespace fakemachine;

// ---- faults

TEST(FakeFaults, AnErrorHasNoEffectAndIsRecorded) {
    auto kernel = machine();
    const auto before = kernel.state();
    kernel.failAt(1, Fault::error(EIO));
    EXPECT_EQ(overrideTo(kernel, gpu, "vfio-pci"), 0);
    EXPECT_EQ(unbindIt(kernel, gpu), EIO);
    EXPECT_EQ(overrideTo(kernel, gpu, "\n"), 0);
    EXPECT_EQ(kernel.state(), before);
    EXPECT_EQ(kernel.faultsHit(), 1U);
    ASSERT_EQ(kernel.writes().size(), 3U);
    EXPECT_EQ(kernel.writes()[1].str(), devices + gpu + "/driver/unbind <- 0000:01:00.0: EIO");
}

TEST(FakeFaults, ByPredicateSoManyTimes) {
    auto kernel = machine();
    kernel.failWhen([](const FakeWrite& write) { return write.path.ends_with("/driver_override"); },
                    Fault::error(EACCES), 2);
    EXPECT_EQ(overrideTo(kernel, gpu, "a"), EACCES);
    EXPECT_EQ(overrideTo(kernel, audio, "a"), EACCES);
    EXPECT_EQ(overrideTo(kernel, audio, "a"), 0);
}

TEST(FakeFaults, AVanishingDeviceGivesTheKernelsErrno) { // case 41
    auto kernel = machine();
    kernel.failAt(0, Fault::vanish());
    EXPECT_EQ(overrideTo(kernel, gpu, "vfio-pci"), ENOENT);
    EXPECT_FALSE(kernel.present(gpu));
    kernel.failAt(0, Fault::vanish());
    EXPECT_EQ(bindTo(kernel, "vfio-pci", audio), ENODEV);
    EXPECT_FALSE(kernel.present(audio));
    kernel.failAt(0, Fault::vanish(nic));
    EXPECT_EQ(put(kernel, drivers + "vfio-pci/new_id", "1234 5678"), 0);
    EXPECT_FALSE(kernel.present(nic));
}

TEST(FakeFaults, KillsBeforeAndAfterTheEffect) {
    for (const bool after : {false, true}) {
        auto kernel = machine();
        kernel.failAt(0, after ? Fault::killAfter() : Fault::killBefore());
        EXPECT_THROW(unbindIt(kernel, gpu), FakeKernel::Killed);
        EXPECT_THROW((void)kernel.exists("/sys"), FakeKernel::Killed); // the dead look at nothing
        kernel.newProcess();
        EXPECT_EQ(kernel.driverOf(gpu), after ? "" : "nouveau");
        EXPECT_TRUE(kernel.exists("/sys"));
    }
}

TEST(FakeFaults, AnOverrideThatHangsTakesEffectLater) {
    auto kernel = machine();
    kernel.failAt(0, Fault::hang());
    EXPECT_THROW(overrideTo(kernel, gpu, "vfio-pci"), FakeKernel::Hung);
    EXPECT_EQ(kernel.overrideOf(gpu), "");
    EXPECT_THROW((void)kernel.read(devices + gpu + "/driver_override"), FakeKernel::Hung);
    kernel.finishHang();
    EXPECT_EQ(kernel.overrideOf(gpu), "vfio-pci");
}

TEST(FakeFaults, ANewIdThatHangsAtOneDeviceGoesOnWithTheNext) {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:02:00.1", .ids = "1234:5678", .group = 8});
    kernel.addDevice({.address = "0000:02:00.2", .ids = "1234:5678", .group = 9});
    kernel.failAt(0, Fault::hang());
    EXPECT_THROW(put(kernel, drivers + "vfio-pci/new_id", "1234 5678"), FakeKernel::Hung);
    EXPECT_EQ(kernel.driverOf("0000:02:00.2"), "");
    kernel.finishHang();
    EXPECT_EQ(kernel.driverOf("0000:02:00.1"), "vfio-pci");
    EXPECT_EQ(kernel.driverOf("0000:02:00.2"), "vfio-pci");
}

TEST(FakeFaults, ACopyIsAMachineOfItsOwn) {
    auto kernel = machine();
    kernel.failAt(0, Fault::hang());
    EXPECT_THROW(unbindIt(kernel, gpu), FakeKernel::Hung);
    auto copy = kernel;
    copy.finishHang();
    EXPECT_FALSE(copy.anythingHangs());
    EXPECT_TRUE(kernel.anythingHangs());
    EXPECT_EQ(bindTo(copy, "nouveau", gpu), 0);
    EXPECT_EQ(kernel.driverOf(gpu), "");
}

} // namespace
} // namespace vfiobind::fake_faults_test
