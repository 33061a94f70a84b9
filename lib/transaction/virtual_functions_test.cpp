// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/virtual_functions.h"

#include "fake/machine.h"

#include <cerrno>
#include <filesystem>

namespace vfiobind::virtual_functions_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string pf = "0000:02:00.1";

/// An SR-IOV card on igb, whose functions igbvf would take.
class VirtualFunctions : public testing::Test {
protected:
    VirtualFunctions() {
        std::string name = testing::TempDir() + "sriov-XXXXXX";
        directory = mkdtemp(name.data());
        kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
        kernel.addDriver({.name = "igbvf", .module = "igbvf", .ids = {"8086:10ca"}});
        kernel.addDevice({.address = pf,
                          .ids = "8086:10c9",
                          .classCode = 0x020000,
                          .group = 7,
                          .driver = "igb",
                          .totalVfs = 8,
                          .vfIds = "8086:10ca"});
    }
    ~VirtualFunctions() override { std::filesystem::remove_all(directory); }

    std::expected<void, std::string> create(unsigned count, const std::string& driver = "vfio-pci") {
        return createVirtualFunctions(kernel, *Address::parse(pf),
                                      {.count = count, .driver = driver, .by = "rule vfs"}, files(),
                                      [this](const std::string& step, const std::string& result) {
                                          steps.push_back(result == "done" ? step : step + ": failed");
                                      });
    }
    AutoprobeFiles files() const { return AutoprobeFiles(directory + "/sriov"); }
    std::string autoprobe() { return kernel.read(devices + pf + "/sriov_drivers_autoprobe").value(); }
    std::string vf(unsigned number) {
        const auto link = kernel.link(devices + pf + "/virtfn" + std::to_string(number));
        return link ? std::string(baseName(*link)) : "";
    }

    std::string directory;
    FakeKernel kernel = machine();
    std::vector<std::string> steps;
};

TEST_F(VirtualFunctions, AreMadeWithoutTheirNativeDriver) { // case 26
    ASSERT_TRUE(create(2));
    EXPECT_THAT(steps, ElementsAre("sriov_drivers_autoprobe " + pf + " 0", "sriov_numvfs " + pf + " 2",
                                   "driver_override " + vf(0) + " vfio-pci",
                                   "driver_override " + vf(1) + " vfio-pci",
                                   "sriov_drivers_autoprobe " + pf + " 1"));
    EXPECT_EQ(kernel.driverOf(pf), "igb");
    EXPECT_EQ(kernel.driverOf(vf(1)), "");
    EXPECT_EQ(autoprobe(), "1");
    EXPECT_FALSE(files().load(*Address::parse(pf)));
    ASSERT_EQ(probe(kernel, vf(1)), 0);
    EXPECT_EQ(kernel.driverOf(vf(1)), "vfio-pci") << "a driver that is loaded later finds them overridden";
}

TEST_F(VirtualFunctions, ASecondTimeWritesNothing) {
    ASSERT_TRUE(create(2));
    steps.clear();
    ASSERT_TRUE(create(2));
    EXPECT_THAT(steps, IsEmpty());
}

TEST_F(VirtualFunctions, AutoprobeThatWasOffStaysOff) {
    ASSERT_EQ(put(kernel, devices + pf + "/sriov_drivers_autoprobe", "0"), 0);
    ASSERT_TRUE(create(1, "pci-stub"));
    EXPECT_EQ(autoprobe(), "0");
    EXPECT_EQ(kernel.overrideOf(vf(0)), "pci-stub");
}

TEST_F(VirtualFunctions, AnotherNumberIsRefusedAndLeft) {
    ASSERT_TRUE(create(2));
    steps.clear();
    EXPECT_THAT(create(3).error(),
                HasSubstr(pf +
                          " has 2 virtual functions, and rule vfs wants 3; another number would take all of "
                          "them away: write 0 to /sys/bus/pci/devices/" +
                          pf + "/sriov_numvfs"));
    EXPECT_THAT(steps, IsEmpty());
}

TEST_F(VirtualFunctions, WhatCannotBeIsSaid) {
    EXPECT_THAT(create(9).error(), HasSubstr("can have at most 8 virtual functions, and rule vfs wants 9"));
    EXPECT_THAT(createVirtualFunctions(kernel, *Address::parse(nic), {.count = 1, .by = "rule vfs"}, files(),
                                       [](const auto&, const auto&) {})
                    .error(),
                HasSubstr(nic + " has no SR-IOV"));
    ASSERT_EQ(unbindIt(kernel, pf), 0);
    EXPECT_THAT(create(2).error(), HasSubstr("has no driver"));
    EXPECT_THAT(steps, IsEmpty());
}

TEST_F(VirtualFunctions, EachWriteThatFailsLeavesNothingBehind) {
    const auto before = FakeKernel::str(kernel.state());
    for (std::size_t nth = 0; nth < 4; ++nth) {
        kernel.failAt(nth, Fault::error(EIO));
        EXPECT_THAT(create(2).error(), HasSubstr("EIO")) << nth;
        EXPECT_EQ(FakeKernel::str(kernel.state()), before) << nth;
        EXPECT_EQ(autoprobe(), "1") << nth;
        EXPECT_FALSE(files().load(*Address::parse(pf))) << nth;
    }
    kernel.failAt(4, Fault::error(EIO)); // autoprobe back on
    EXPECT_THAT(create(2).error(), HasSubstr("sriov_drivers_autoprobe: EIO"));
    EXPECT_TRUE(files().load(*Address::parse(pf)));
    ASSERT_TRUE(create(2)) << "the next run makes up for it";
    EXPECT_EQ(autoprobe(), "1");
}

TEST_F(VirtualFunctions, AWorkerThatIsKilledIsMadeUpForByTheNext) { // case 38
    for (std::size_t nth = 0; nth < 5; ++nth)
        for (const auto& fault : {Fault::killBefore(), Fault::killAfter()}) {
            kernel.failAt(nth, fault);
            EXPECT_THROW((void)create(2), FakeKernel::Killed);
            kernel.newProcess();
            kernel.clearFaults();
            ASSERT_TRUE(create(2)) << nth;
            EXPECT_EQ(autoprobe(), "1") << nth;
            EXPECT_EQ(kernel.overrideOf(vf(0)), "vfio-pci") << nth;
            EXPECT_EQ(kernel.overrideOf(vf(1)), "vfio-pci") << nth;
            EXPECT_FALSE(files().load(*Address::parse(pf))) << nth;
            ASSERT_EQ(put(kernel, devices + pf + "/sriov_numvfs", "0"), 0);
        }
}

TEST_F(VirtualFunctions, WithoutAPlaceToKeepAutoprobeNothingIsDone) { // case 69
    std::filesystem::copy_file("/etc/passwd", directory + "/sriov");
    EXPECT_THAT(create(2).error(), HasSubstr("ENOTDIR"));
    EXPECT_THAT(steps, IsEmpty());
}

} // namespace
} // namespace vfiobind::virtual_functions_test
