// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake/scenario_machines.h"

#include <map>
#include <stdexcept>

namespace vfiobind::scenariomachines {

FakeKernel withDrivers() {
    FakeKernel kernel;
    kernel.addDriver({.name = "nouveau", .module = "nouveau", .ids = {"10de::03"}});
    kernel.addDriver({.name = "snd_hda_intel", .module = "snd_hda_intel", .ids = {"::0403"}});
    kernel.addDriver({.name = "xhci_hcd", .module = "xhci_pci", .ids = {"::0c0330"}});
    kernel.addDriver({.name = "e1000e", .module = "e1000e", .ids = {"8086:10d3", "8086:100e"}});
    kernel.addVfioPci();
    kernel.addRootPort("0000:00:01.0", 0);
    return kernel;
}

void addCard(FakeKernel& kernel, const std::string& gpuDriver, const std::string& audioDriver,
             const std::string& override) {
    kernel.addDevice({.address = fn0,
                      .ids = "10de:1284",
                      .classCode = 0x030000,
                      .group = 1,
                      .driver = gpuDriver,
                      .driverOverride = override});
    kernel.addDevice({.address = fn1,
                      .ids = "10de:0e0f",
                      .classCode = 0x040300,
                      .group = 1,
                      .driver = audioDriver,
                      .driverOverride = override});
}

FakeKernel card() {
    auto kernel = withDrivers();
    addCard(kernel, "nouveau", "snd_hda_intel");
    return kernel;
}

FakeKernel boundCard() {
    auto kernel = withDrivers();
    addCard(kernel, "vfio-pci", "vfio-pci", "vfio-pci");
    return kernel;
}

FakeKernel cardOfFour(bool bound) {
    auto kernel = withDrivers();
    const std::string override = bound ? "vfio-pci" : "";
    addCard(kernel, bound ? "vfio-pci" : "nouveau", bound ? "vfio-pci" : "snd_hda_intel", override);
    kernel.addDevice({.address = fn2,
                      .ids = "10de:1ad8",
                      .classCode = 0x0c0330,
                      .group = 1,
                      .driver = bound ? "vfio-pci" : "xhci_hcd",
                      .driverOverride = override});
    kernel.addDevice({.address = fn3,
                      .ids = "10de:1ad9",
                      .classCode = 0x0c8000,
                      .group = 1,
                      .driver = bound ? "vfio-pci" : "",
                      .driverOverride = override});
    return kernel;
}

FakeKernel behindConventionalBridge() {
    auto kernel = withDrivers();
    kernel.addRootPort("0000:00:02.0", 5);
    kernel.addDevice({.address = "0000:02:00.0",
                      .ids = "1b36:000e",
                      .classCode = 0x060400,
                      .group = 5,
                      .secondaryBus = 3});
    kernel.addDevice(
        {.address = nicA, .ids = "8086:100e", .classCode = 0x020000, .group = 5, .driver = "e1000e"});
    kernel.addDevice(
        {.address = nicB, .ids = "8086:100e", .classCode = 0x020000, .group = 5, .driver = "e1000e"});
    return kernel;
}

FakeKernel twins() {
    auto kernel = withDrivers();
    kernel.addDevice({.address = "0000:01:00.0",
                      .ids = "8086:10d3",
                      .subsystem = "8086:a01f",
                      .classCode = 0x020000,
                      .group = 10,
                      .driver = "e1000e"});
    kernel.addDevice({.address = "0000:00:04.0",
                      .ids = "8086:10d3",
                      .subsystem = "8086:a01f",
                      .classCode = 0x020000,
                      .group = 11,
                      .driver = "e1000e"});
    kernel.addDevice({.address = "0000:00:05.0",
                      .ids = "8086:10d3",
                      .subsystem = "8086:a01f",
                      .classCode = 0x020000,
                      .group = 12});
    return kernel;
}

FakeKernel virtualFunctions(bool autoprobe) {
    FakeKernel kernel;
    kernel.addDriver({.name = "igb", .module = "igb", .ids = {"8086:10c9"}, .sriov = true});
    kernel.addDriver({.name = "igbvf", .module = "igbvf", .ids = {"8086:10ca"}});
    kernel.addVfioPci();
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
    const std::string pf = "/sys/bus/pci/devices/0000:07:00.0";
    if (!autoprobe && !kernel.writeAsOther(pf + "/sriov_drivers_autoprobe", "0"))
        throw std::logic_error("no sriov_drivers_autoprobe");
    if (!kernel.writeAsOther(pf + "/sriov_numvfs", "2"))
        throw std::logic_error("no sriov_numvfs");
    return kernel;
}

FakeKernel withVariant() {
    FakeKernel kernel;
    kernel.addVfioPci();
    kernel.addDriver({.name = "mlx5_core", .module = "mlx5_core", .ids = {"15b3:"}});
    kernel.addDriver({.name = "mlx5_vfio_pci",
                      .module = "mlx5_vfio_pci",
                      .overrideOnlyIds = {"15b3:101e"},
                      .managedDma = true,
                      .vfio = true});
    kernel.addDevice(
        {.address = fn0, .ids = "15b3:101e", .classCode = 0x020000, .group = 4, .driver = "mlx5_core"});
    return kernel;
}

FakeKernel listed(const std::string& name) {
    static std::map<std::string, FakeKernel>
        machines; // copied: reading one takes longer than a transaction on it
    const auto [it, fresh] = machines.try_emplace(name);
    if (fresh)
        it->second.loadTopologyFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/" + name + ".json");
    return it->second;
}

} // namespace vfiobind::scenariomachines
