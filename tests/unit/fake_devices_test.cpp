// SPDX-License-Identifier: LGPL-2.1-or-later
// The fake kernel against the real one: virtual functions, variants, nodes, and the listings of real
// machines. The test names cite the numbered fact that they show.
#include "fake/machine.h"

#include <cerrno>

namespace vfiobind::fake_devices_test {
namespace {

using namespace fakemachine;
using testing::ElementsAre;
using testing::HasSubstr;

// ---- fact 10: SR-IOV

FakeKernel sriovMachine() {
    FakeKernel kernel;
    kernel.addVfioPci();
    kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
    kernel.addDriver({.name = "igbvf", .module = "igbvf", .ids = {"8086:10ca"}});
    kernel.addRootPort("0000:00:1c.0", 1, 7);
    kernel.addDevice({.address = "0000:07:00.0",
                      .ids = "8086:10c9",
                      .classCode = 0x020000,
                      .group = 2,
                      .driver = "igb",
                      .totalVfs = 7,
                      .vfIds = "8086:10ca",
                      .vfOffset = 0x80,
                      .vfStride = 2});
    return kernel;
}
const std::string pf = "0000:07:00.0";
const std::string numVfs = devices + pf + "/sriov_numvfs";

TEST(Fact10, NumVfsMakesAndDestroysVfsInGroupsOfTheirOwn) {
    auto kernel = sriovMachine();
    EXPECT_EQ(put(kernel, numVfs, "8"), ERANGE);
    ASSERT_EQ(put(kernel, numVfs, "2"), 0);
    EXPECT_EQ(kernel.link(devices + pf + "/virtfn1").value(), "../0000:07:10.2");
    EXPECT_EQ(kernel.link(devices + "0000:07:10.2/physfn").value(), "../0000:07:00.0");
    EXPECT_NE(kernel.link(devices + "0000:07:10.0/iommu_group").value(),
              kernel.link(devices + "0000:07:10.2/iommu_group").value());
    EXPECT_EQ(kernel.driverOf("0000:07:10.0"), "igbvf");
    EXPECT_EQ(kernel.read(devices + "0000:07:10.0/vendor").value(), "0x8086");
    const auto config = kernel.read(devices + "0000:07:10.0/config").value();
    EXPECT_EQ(config.substr(0, 4), "\xff\xff\xff\xff");
    EXPECT_NE(config.substr(8), std::string(56, '\xff')); // not dead: its class is there
    EXPECT_EQ(kernel.read(numVfs).value(), "2");
    EXPECT_EQ(put(kernel, numVfs, "3"), EBUSY);
    EXPECT_EQ(put(kernel, numVfs, "2"), 0);
    EXPECT_EQ(put(kernel, numVfs, "0"), 0);
    EXPECT_FALSE(kernel.present("0000:07:10.0"));
    EXPECT_FALSE(kernel.exists(devices + pf + "/virtfn0"));
}

TEST(Fact10, VfsOfAPfOnVfioGetItsOverride) {
    auto kernel = sriovMachine();
    toVfio(kernel, pf);
    EXPECT_EQ(put(kernel, numVfs, "1"), ENOENT); // enable_sriov is off
    ASSERT_EQ(put(kernel, "/sys/module/vfio_pci/parameters/enable_sriov", "1"), 0);
    ASSERT_EQ(put(kernel, numVfs, "1"), 0);
    EXPECT_EQ(kernel.overrideOf("0000:07:10.0"), "vfio-pci");
    EXPECT_EQ(kernel.driverOf("0000:07:10.0"), "vfio-pci");
}

TEST(Fact10, AutoprobeOffKeepsNativeDriversOffButNotOverridden) { // case 26
    auto kernel = sriovMachine();
    ASSERT_EQ(put(kernel, devices + pf + "/sriov_drivers_autoprobe", "0"), 0);
    ASSERT_EQ(put(kernel, numVfs, "2"), 0);
    EXPECT_EQ(kernel.driverOf("0000:07:10.0"), "");
    EXPECT_EQ(bindTo(kernel, "igbvf", "0000:07:10.0"), ENODEV);
    toVfio(kernel, "0000:07:10.0");
}

TEST(Fact10, UnbindingThePfTakesItsVfsAway) { // case 25
    auto kernel = sriovMachine();
    ASSERT_EQ(put(kernel, numVfs, "2"), 0);
    toVfio(kernel, "0000:07:10.2");
    ASSERT_EQ(kernel.startHolder(
                  {.pid = 9,
                   .group =
                       *[&] {
                           return std::optional(static_cast<unsigned>(std::stoul(std::string(
                               baseName(kernel.link(devices + "0000:07:10.2/iommu_group").value())))));
                       }()}),
              0);
    EXPECT_THROW(unbindIt(kernel, pf), FakeKernel::Hung); // a VM holds one of them
    EXPECT_FALSE(kernel.present("0000:07:10.0"));
    EXPECT_TRUE(kernel.present("0000:07:10.2"));
    kernel.endProcess(9);
    EXPECT_FALSE(kernel.present("0000:07:10.2"));
    EXPECT_EQ(kernel.driverOf(pf), "");
    EXPECT_FALSE(kernel.anythingHangs());
}

// ---- fact 11: variants and modules

TEST(Fact11, VariantsMatchOnlyByOverrideAndShowInModulesAlias) {
    FakeKernel kernel;
    kernel.addVfioPci(false);
    kernel.addUnloadedModule({{.name = "mlx5_vfio_pci",
                               .module = "mlx5_vfio_pci",
                               .overrideOnlyIds = {"15b3:101e"},
                               .managedDma = true,
                               .vfio = true,
                               .vfioName = "mlx5-vfio-pci"}});
    kernel.addDevice({.address = nic, .ids = "15b3:101e", .classCode = 0x020000, .group = 4});
    EXPECT_FALSE(kernel.exists(drivers + "vfio-pci"));
    EXPECT_FALSE(kernel.exists("/dev/vfio/vfio"));
    EXPECT_THAT(kernel.read("/lib/modules/6.1.0-fake/modules.alias").value(),
                testing::AllOf(HasSubstr("alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"),
                               HasSubstr("alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci")));
    kernel.loadModule("vfio_pci");
    kernel.loadModule("mlx5_vfio_pci");
    EXPECT_EQ(kernel.driverOf(nic), "");
    EXPECT_EQ(bindTo(kernel, "mlx5_vfio_pci", nic), ENODEV);
    ASSERT_EQ(overrideTo(kernel, nic, "mlx5_vfio_pci"), 0);
    EXPECT_EQ(bindTo(kernel, "mlx5_vfio_pci", nic), 0);
    EXPECT_TRUE(kernel.exists("/dev/vfio/4"));
}

TEST(Fact11, LoadingAModuleProbesAndUnloadingUnbinds) {
    auto kernel = machine();
    kernel.unloadModule("e1000e");
    EXPECT_EQ(kernel.driverOf(nic), "");
    EXPECT_FALSE(kernel.exists("/sys/module/e1000e"));
    kernel.loadModule("e1000e");
    EXPECT_EQ(kernel.driverOf(nic), "e1000e");
    EXPECT_EQ(kernel.read("/sys/module/e1000e/initstate").value(), "live");
    EXPECT_THROW(kernel.loadModule("nvidia"), std::invalid_argument);
}

// ---- fact 12: nodes

TEST(Fact12, NodesOfGroupsDevicesAndNoiommu) {
    auto kernel = machine();
    kernel.version = FakeVersion::v6_12;
    std::vector<std::string> events;
    kernel.onUevent = [&](const FakeUevent& event) { events.push_back(event.str()); };
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    // consumers.md, measured
    EXPECT_THAT(events, ElementsAre("unbind pci 0000:01:00.0", "add vfio 1", "add vfio-dev vfio0",
                                    "bind pci 0000:01:00.0", "unbind pci 0000:01:00.1", "add vfio-dev vfio1",
                                    "bind pci 0000:01:00.1"));
    EXPECT_THAT(kernel.list(devices + audio + "/vfio-dev").value(), ElementsAre("vfio1"));
    EXPECT_TRUE(kernel.exists("/dev/vfio/devices/vfio1"));
    ASSERT_EQ(kernel.startHolder({.pid = 5, .cdev = audio}), 0);
    EXPECT_EQ(kernel.link("/proc/5/fd/11").value(), "/dev/vfio/devices/vfio1");
    EXPECT_THROW(unbindIt(kernel, audio), FakeKernel::Hung);
    kernel.endProcess(5);
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    EXPECT_FALSE(kernel.exists("/dev/vfio/1"));

    kernel.addDevice({.address = "0000:00:1b.0", .ids = "8086:1234", .classCode = 0x020000});
    ASSERT_EQ(put(kernel, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "1"), 0);
    toVfio(kernel, "0000:00:1b.0");
    const auto group = std::string(baseName(kernel.link(devices + "0000:00:1b.0/iommu_group").value()));
    EXPECT_EQ(kernel.read("/sys/kernel/iommu_groups/" + group + "/name").value(), "vfio-noiommu");
    EXPECT_TRUE(kernel.exists("/dev/vfio/noiommu-" + group));
}

TEST(Fact12, DirectReservedRegionsMakeTheClaimFail) { // case 56
    auto kernel = machine();
    kernel.setReservedRegions(
        3, "0x00000000fee00000 0x00000000feefffff msi\n0x00000000e0000000 0x00000000e0ffffff direct\n");
    toVfio(kernel, nic);
    EXPECT_EQ(kernel.startHolder({.pid = 5, .group = 3}), EINVAL);
    kernel.setReservedRegions(3, "0x00000000e0000000 0x00000000e0ffffff direct-relaxable\n");
    EXPECT_EQ(kernel.startHolder({.pid = 5, .group = 3}), 0);
}

TEST(Fact15, ResetMethods) {
    auto kernel = machine();
    const std::string path = devices + nic + "/reset_method";
    EXPECT_EQ(put(kernel, path, "pm"), EINVAL);
    EXPECT_EQ(put(kernel, path, "bus"), 0);
    EXPECT_EQ(kernel.read(path).value(), "bus");
    EXPECT_EQ(put(kernel, path, "\n"), 0);
    EXPECT_EQ(kernel.read(path).value(), "");
    EXPECT_EQ(put(kernel, path, "default"), 0);
    EXPECT_EQ(kernel.read(path).value(), "flr bus");
}

TEST(FakeMachine, ADeadDeviceReadsAllOnes) { // case 55
    FakeKernel kernel;
    kernel.addDevice({.address = gpu, .ids = "10de:1284", .powerState = "D3cold", .dead = true});
    EXPECT_EQ(kernel.read(devices + gpu + "/config", 64).value(), std::string(64, '\xff'));
    EXPECT_EQ(kernel.read(devices + gpu + "/power_state").value(), "D3cold");
}

// ---- real machines

TEST(FakeTopologies, EveryListingLoadsAndBindsWhole) {
    for (const auto* name :
         {"asrock-z170-itx", "epyc-a100-hostbridge", "fm2-a88x", "gigabyte-b550-chipset-gpu", "h110-no-iommu",
          "haswell-b85-pci-bridge", "intel-z370-dual-gpu", "intel-z690-tb4-vmd", "laptop-mx150",
          "power9-multidomain", "skylake-server-sriov", "x370-dual-rx580", "x570-aorus"}) {
        FakeKernel kernel;
        kernel.loadTopologyFile(std::string(VFIO_BIND_SOURCE_DIR "/tests/topologies/") + name + ".json");
        const auto all = kernel.list("/sys/bus/pci/devices").value();
        EXPECT_FALSE(all.empty()) << name;
        for (const auto& address : all) {
            // Every device is where its link says, and can be looked at through it.
            EXPECT_THAT(kernel.read(devices + address + "/uevent").value(),
                        HasSubstr("PCI_SLOT_NAME=" + address))
                << name;
        }
    }
}

TEST(FakeTopologies, BridgesAreNestedAsOnTheMachine) {
    FakeKernel kernel;
    kernel.loadTopologyFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/intel-z690-tb4-vmd.json");
    EXPECT_EQ(kernel.link(devices + "0000:03:00.0").value(),
              "../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/0000:02:00.0/0000:03:00.0");
    EXPECT_EQ(kernel.driverOf("0000:04:00.0"), "vfio-pci");
    EXPECT_TRUE(kernel.exists("/dev/vfio/23"));
    FakeKernel server;
    server.loadTopologyFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/skylake-server-sriov.json");
    EXPECT_EQ(server.link(devices + "0000:07:11.5/physfn").value(), "../0000:07:00.1");
    EXPECT_EQ(server.link(devices + "0000:07:00.0/virtfn6").value(), "../0000:07:11.4");
    EXPECT_EQ(server.driverOf("0000:05:00.0"), ""); // a conventional bridge: not pcieport's
    FakeKernel desktop;
    desktop.loadTopologyFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/h110-no-iommu.json");
    EXPECT_TRUE(desktop.list("/sys/class/iommu").value().empty());
}

} // namespace
} // namespace vfiobind::fake_devices_test
