// SPDX-License-Identifier: LGPL-2.1-or-later
// What the comparison with a real kernel (tests/vm/kernel_twin.cpp) has taught the fake kernel.
#include "fake/machine.h"

#include <cerrno>

namespace vfiobind::fake_twin_test {
namespace {

using namespace fakemachine;

int newId(FakeKernel& kernel, const std::string& line) {
    return put(kernel, drivers + "vfio-pci/new_id", line);
}
int removeId(FakeKernel& kernel, const std::string& line) {
    return put(kernel, drivers + "vfio-pci/remove_id", line);
}

TEST(FakeTwin, IdsAreHexadecimalNumbersAsSscanfReadsThem) {
    auto kernel = machine();
    EXPECT_EQ(newId(kernel, "1af4:7ffe"), EINVAL);
    EXPECT_EQ(newId(kernel, "-1af4 7ffe"), EINVAL);
    EXPECT_EQ(newId(kernel, "0x1af4\t0x7ffe hello"), 0);
    EXPECT_EQ(removeId(kernel, "1af4 7ffe"), 0);
    EXPECT_EQ(newId(kernel, "100001af4 7ffd"), 0); // cut to 32 bits
    EXPECT_EQ(removeId(kernel, "1af4 7ffd"), 0);
}

TEST(FakeTwin, DriverDataMustBeInTheStaticTable) {
    auto kernel = machine();
    EXPECT_EQ(newId(kernel, "1af4 7ffe ffffffff ffffffff 0 0 9"), EINVAL);
    EXPECT_EQ(newId(kernel, "1af4 7ffe ffffffff ffffffff 0 0 0"), 0);
}

TEST(FakeTwin, RemoveIdWithoutSubsystemTakesANarrowerEntry) {
    auto kernel = machine();
    ASSERT_EQ(newId(kernel, "1af4 7ffe 1 2"), 0);
    EXPECT_EQ(removeId(kernel, "1af4 7ffe 1 3"), ENODEV);
    EXPECT_EQ(removeId(kernel, "1af4 7ffe"), 0);
    EXPECT_EQ(removeId(kernel, "1af4 7ffe"), ENODEV);
}

TEST(FakeTwin, PcieportTakesPortsOnly) {
    auto kernel = machine();
    kernel.addDevice({.address = "0000:02:01.0", .ids = "1b36:000e", .classCode = 0x060400, .port = false});
    EXPECT_EQ(bindTo(kernel, "pcieport", "0000:02:01.0"), ENODEV);
    ASSERT_EQ(overrideTo(kernel, nic, "pcieport"), 0);
    ASSERT_EQ(unbindIt(kernel, nic), 0);
    EXPECT_EQ(bindTo(kernel, "pcieport", nic), ENODEV);
}

TEST(FakeTwin, NumbersMayHaveABase) {
    FakeKernel kernel;
    kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
    kernel.addDevice({.address = "0000:00:07.0",
                      .ids = "8086:10c9",
                      .classCode = 0x020000,
                      .group = 2,
                      .driver = "igb",
                      .totalVfs = 7,
                      .vfIds = "8086:10ca"});
    const std::string numVfs = devices + "0000:00:07.0/sriov_numvfs";
    EXPECT_EQ(put(kernel, numVfs, "08"), EINVAL);
    EXPECT_EQ(put(kernel, numVfs, "0x2"), 0);
    EXPECT_EQ(put(kernel, numVfs, "+2\n"), 0);
    EXPECT_EQ(put(kernel, numVfs, "02"), 0);
    EXPECT_EQ(put(kernel, numVfs, "3"), EBUSY);
}

TEST(FakeTwin, WhatIsFoundAgainHasTheLowestFreeGroup) {
    auto kernel = machine();
    for (const auto& address : {gpu, audio, nic})
        ASSERT_EQ(put(kernel, devices + address + "/remove", "1"), 0);
    kernel.hotplug({.address = "0000:00:05.0", .ids = "8086:10d3", .classCode = 0x020000, .group = 1});
    ASSERT_EQ(put(kernel, "/sys/bus/pci/rescan", "1"), 0);
    const auto group = [&](const std::string& address) {
        return std::string(baseName(kernel.link(devices + address + "/iommu_group").value()));
    };
    EXPECT_EQ(group(gpu), "3");
    EXPECT_EQ(group(audio), "3");
    EXPECT_EQ(group(nic), "4");
}

TEST(FakeTwin, WhatWasBehindARemovedBridgeIsFoundAgain) {
    auto kernel = machine();
    ASSERT_EQ(put(kernel, devices + "0000:00:02.0/remove", "1"), 0);
    ASSERT_FALSE(kernel.present(nic));
    ASSERT_EQ(put(kernel, "/sys/bus/pci/rescan", "1"), 0);
    ASSERT_TRUE(kernel.present(nic));
    EXPECT_EQ(kernel.driverOf(nic), "e1000e");
}

TEST(FakeTwin, ADriverThatKeepsVfsLeavesThemWhenItsPfIsRemoved) {
    for (const bool keeps : {true, false}) {
        FakeKernel kernel;
        kernel.addDriver(
            {.name = "nvme", .module = "nvme", .ids = {"1b36:0010"}, .sriov = true, .keepsVfs = keeps});
        kernel.addDevice({.address = "0000:00:07.0",
                          .ids = "1b36:0010",
                          .classCode = 0x010802,
                          .group = 2,
                          .driver = "nvme",
                          .totalVfs = 4,
                          .vfIds = "1b36:0010"});
        ASSERT_EQ(put(kernel, devices + "0000:00:07.0/sriov_numvfs", "1"), 0);
        ASSERT_EQ(put(kernel, devices + "0000:00:07.0/remove", "1"), 0);
        EXPECT_FALSE(kernel.present("0000:00:07.0"));
        EXPECT_EQ(kernel.present("0000:00:09.0"), keeps);
    }
}

TEST(FakeTwin, WhoIsNotAloneOnItsBusCannotBeResetWithIt) {
    auto kernel = machine();
    const std::string file = devices + gpu + "/reset_method";
    ASSERT_EQ(kernel.read(file).value(), "flr bus");
    ASSERT_EQ(put(kernel, devices + gpu + "/remove", "1"), 0);
    ASSERT_EQ(put(kernel, "/sys/bus/pci/rescan", "1"), 0);
    EXPECT_EQ(kernel.read(file).value(), "flr");
}

TEST(FakeTwin, AnAddressEndsAtTheFirstNul) {
    auto kernel = machine();
    EXPECT_EQ(bindTo(kernel, "e1000e", nic + std::string("\0\0", 2)), EBUSY);
}

TEST(FakeTwin, VfioPcisParameters) {
    auto kernel = machine();
    const std::string parameters = "/sys/module/vfio_pci/parameters/";
    EXPECT_FALSE(kernel.exists(parameters + "ids"));
    EXPECT_EQ(put(kernel, parameters + "disable_denylist", "Y"), EACCES);
    EXPECT_EQ(put(kernel, parameters + "disable_idle_d3", "on\n"), 0);
    EXPECT_EQ(kernel.read(parameters + "disable_idle_d3").value(), "Y");
}

} // namespace
} // namespace vfiobind::fake_twin_test
