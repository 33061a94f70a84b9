// SPDX-License-Identifier: LGPL-2.1-or-later
#include "topology/topology.h"

#include "fake/machine.h"
#include "host_sysfs.h"

namespace vfiobind::topology_test {
namespace {

using namespace fakemachine;

Address at(const std::string& text) {
    return Address::parse(text).value();
}

Topology read(const FakeKernel& kernel) {
    return Topology::read(kernel).value();
}

TEST(Topology, ReadsDevicesGroupsAndDrivers) {
    const auto topology = read(machine());
    const auto* card = topology.find(at(gpu));
    ASSERT_NE(card, nullptr);
    EXPECT_EQ(card->ids.str(), "10de:1284");
    EXPECT_EQ(card->driver, "nouveau");
    EXPECT_EQ(card->group, 1U);
    EXPECT_FALSE(card->bridge);
    EXPECT_FALSE(card->driverOverride.known);
    EXPECT_EQ(topology.findGroup(1)->members, (std::set{at(gpu), at(audio)}));
    EXPECT_EQ(topology.findGroup(99), nullptr);
}

// case 13: the path has no bus numbers below the root
TEST(Topology, BridgePathStaysWhenBusesAreRenumbered) {
    FakeKernel before;
    before.addRootPort("0000:00:01.0", 0, 1);
    before.addDevice({.address = "0000:01:00.0", .ids = "10de:1284", .classCode = 0x030000, .group = 1});
    FakeKernel after;
    after.addRootPort("0000:00:01.0", 0, 7);
    after.addDevice({.address = "0000:07:00.0", .ids = "10de:1284", .classCode = 0x030000, .group = 1});
    EXPECT_EQ(read(before).find(at("0000:01:00.0"))->path, "0000:00/01.0/00.0");
    EXPECT_EQ(read(after).find(at("0000:07:00.0"))->path, "0000:00/01.0/00.0");
}

// A full read takes other ways than the reading of one device, and finds the same.
TEST(Topology, AFullReadFindsWhatEachDeviceTells) {
    auto kernel = machine();
    kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
    kernel.addDriver({.name = "igbvf", .module = "igbvf", .ids = {"8086:10ca"}});
    kernel.addRootPort("0000:00:1c.0", 90, 0x70);
    kernel.addDevice({.address = "0000:70:00.0",
                      .ids = "8086:10c9",
                      .classCode = 0x020000,
                      .group = 91,
                      .driver = "igb",
                      .totalVfs = 60,
                      .vfIds = "8086:10ca",
                      .vfOffset = 0x80,
                      .vfStride = 2});
    const auto expectTheSame = [&](std::size_t functions) {
        const auto topology = read(kernel);
        EXPECT_EQ(topology.find(at("0000:70:00.0"))->virtualFunctions.size(), functions);
        for (const auto& [address, device] : topology.devices())
            EXPECT_EQ(readDevice(kernel, address), device) << address.str();
        return topology;
    };
    expectTheSame(0);
    ASSERT_TRUE(kernel.writeAsOther("/sys/bus/pci/devices/0000:70:00.0/sriov_numvfs", "60"));
    const auto topology = expectTheSame(60); // so many that drivers are listed
    EXPECT_EQ(topology.find(at("0000:70:10.2"))->driver, "igbvf");
    EXPECT_EQ(topology.find(at(gpu))->driver, "nouveau");
}

// case 37
TEST(Topology, ReadsNothingThatTakesADeviceLock) {
    auto kernel = machine();
    kernel.clearLockedReads();
    auto topology = read(kernel);
    topology.refresh(kernel, at(gpu));
    EXPECT_THAT(kernel.lockedReads(), testing::IsEmpty());
}

// cases 2, 3, 4
TEST(Topology, EndpointsAreAllButBridgesAndHostBridges) {
    FakeKernel kernel;
    kernel.addRootPort("0000:40:03.1", 44, 0x41);
    kernel.addDevice({.address = "0000:40:03.0", .ids = "1022:1482", .classCode = 0x060000, .group = 44});
    kernel.addDevice({.address = "0000:41:00.0", .ids = "10de:20b5", .classCode = 0x030200, .group = 44});
    kernel.addDevice({.address = "0000:41:00.1", .ids = "10de:1af1", .classCode = 0x068000, .group = 44});
    const auto topology = read(kernel);
    std::vector<std::string> endpoints;
    for (const auto* device : topology.endpoints(44))
        endpoints.push_back(device->address.str());
    EXPECT_THAT(endpoints, testing::ElementsAre("0000:41:00.0", "0000:41:00.1"));
    EXPECT_TRUE(topology.find(at("0000:40:03.1"))->bridge);
}

TEST(Topology, RefreshAddsChangesAndRemoves) {
    auto kernel = machine();
    auto topology = read(kernel);
    EXPECT_FALSE(topology.refresh(kernel, at(nic)));
    kernel.hotplug({.address = "0000:02:00.1", .ids = "8086:10d3", .classCode = 0x020000, .group = 3});
    EXPECT_TRUE(topology.refresh(kernel, at("0000:02:00.1")));
    EXPECT_EQ(topology.findGroup(3)->members.size(), 2U);
    ASSERT_EQ(unbindIt(kernel, nic), 0);
    EXPECT_TRUE(topology.refresh(kernel, at(nic)));
    EXPECT_EQ(topology.find(at(nic))->driver, "");
    kernel.unplug(nic);
    kernel.unplug("0000:02:00.1");
    EXPECT_TRUE(topology.refresh(kernel, at(nic)));
    EXPECT_TRUE(topology.refresh(kernel, at("0000:02:00.1")));
    EXPECT_EQ(topology.findGroup(3), nullptr);
    EXPECT_FALSE(topology.refresh(kernel, at(nic)));
}

TEST(Topology, RefreshKeepsTheOverrideOfTheSameCard) {
    auto kernel = machine();
    auto topology = read(kernel);
    topology.setOverride(at(nic), {.known = true, .value = "vfio-pci"});
    ASSERT_EQ(unbindIt(kernel, nic), 0);
    topology.refresh(kernel, at(nic));
    EXPECT_EQ(topology.find(at(nic))->driverOverride, (DriverOverride{.known = true, .value = "vfio-pci"}));
}

// case 29
TEST(Topology, UnsetOverrideReadsNullOrNothing) {
    for (const std::string unset : {"(null)", ""}) {
        auto kernel = machine();
        kernel.unsetOverrideReads = unset;
        EXPECT_EQ(readDriverOverride(kernel, at(gpu)).value(), (DriverOverride{.known = true, .value = ""}));
    }
    const auto gone = readDriverOverride(machine(), at("0000:0f:00.0"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ENOENT);
}

TEST(Topology, IommuKinds) {
    auto kernel = machine();
    EXPECT_EQ(iommuKind(kernel), "intel");
    for (const auto& [unit, kind] : std::map<std::string, std::string>{{"ivhd0", "amd"},
                                                                       {"arm-smmu-v3.0x1", "smmu"},
                                                                       {"smmu3.0x1", "smmu"},
                                                                       {"virtio-iommu0", "virtio"},
                                                                       {"x0", "other"}}) {
        kernel.setIommu({unit});
        EXPECT_EQ(iommuKind(kernel), kind) << unit;
    }
    kernel.setIommu({});
    EXPECT_EQ(iommuKind(kernel), "none");
}

TEST(Device, VfioDriversAndViability) {
    for (const auto* name : {"vfio-pci", "mlx5_vfio_pci", "hisi-acc-vfio-pci", "nvgrace-gpu-vfio-pci"})
        EXPECT_TRUE(isVfioDriver(name)) << name;
    for (const auto* name : {"", "nouveau", "pci-stub", "pci-pf-stub"})
        EXPECT_FALSE(isVfioDriver(name)) << name;
    Device device;
    for (const auto* name : {"", "pcieport", "pci-stub", "vfio-pci"}) {
        device.driver = name;
        EXPECT_TRUE(keepsGroupViable(device)) << name;
    }
    for (const auto* name : {"pci-pf-stub", "ie31200_edac", "e1000e"}) {
        device.driver = name;
        EXPECT_FALSE(keepsGroupViable(device)) << name;
    }
}

TEST(Topology, AVfioDriverIsKnownWhateverItIsCalled) {
    auto kernel = machine();
    kernel.addDriver({.name = "cardpass", .module = "cardpass", .managedDma = true, .vfio = true});
    auto topology = read(kernel);
    EXPECT_FALSE(topology.find(at(nic))->onVfio());
    ASSERT_EQ(overrideTo(kernel, nic, "cardpass"), 0);
    ASSERT_EQ(unbindIt(kernel, nic), 0);
    ASSERT_EQ(bindTo(kernel, "cardpass", nic), 0);
    EXPECT_TRUE(topology.refresh(kernel, at(nic)));
    topology = read(kernel);
    const auto& device = *topology.find(at(nic));
    EXPECT_TRUE(device.onVfio());
    EXPECT_TRUE(device.isVfios("cardpass"));
    EXPECT_FALSE(device.isVfios("e1000e"));
    EXPECT_FALSE(device.isVfios(""));
    EXPECT_TRUE(keepsGroupViable(device));
    HostSysfs withoutClass(kernel);
    withoutClass.errors["/sys/class/vfio-dev"] = EACCES;
    EXPECT_TRUE(Topology::read(withoutClass).value().find(at(nic))->onVfio()) << "each is asked by itself";
    ASSERT_EQ(unbindIt(kernel, nic), 0);
    EXPECT_TRUE(topology.refresh(kernel, at(nic)));
    EXPECT_FALSE(topology.find(at(nic))->onVfio());
    EXPECT_FALSE(read(kernel).find(at(nic))->onVfio());
}

} // namespace
} // namespace vfiobind::topology_test
