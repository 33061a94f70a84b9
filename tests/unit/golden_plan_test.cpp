// SPDX-License-Identifier: LGPL-2.1-or-later
// For each graphics card, network card and disk controller of real machines: the plan that a bind of its
// group comes to, with the guards, as a file that people have read. The host of each machine uses its first
// disk controller for /, its first network card for the default route and its first graphics card for the
// screen. VFIO_BIND_WRITE_GOLDEN=1 in the environment writes the files anew; git shows what has changed.
#include "fake/fake_kernel.h"
#include "golden.h"
#include "guard/guard.h"
#include "host_sysfs.h"
#include "plan/plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace vfiobind::golden_plan_test {
namespace {

bool isOf(const Device& device, std::uint8_t baseClass) {
    return device.endpoint() && device.ids.baseClass() == baseClass && !device.physicalFunction;
}

const Device* first(const Topology& topology, std::uint8_t baseClass) {
    for (const auto& [address, device] : topology.devices())
        if (isOf(device, baseClass))
            return &device;
    return nullptr;
}

/// The link's target of the device, as those of /sys/class begin.
std::string placeOf(const FakeKernel& kernel, const Device& device) {
    const auto link = kernel.link(device.sysfsPath()).value();
    return link.substr(link.find("devices/"));
}

constexpr unsigned lanIndex = 2;

void useByHost(FakeKernel& kernel, const Topology& topology) {
    kernel.putFile("/proc/cmdline", "root=UUID=1234 ro\n");
    kernel.putFile("/proc/self/mountinfo", "21 1 8:2 / / rw - ext4 /dev/sda2 rw\n");
    if (const auto* disk = first(topology, pciclass::storage)) {
        const auto place = placeOf(kernel, *disk) + "/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda2";
        kernel.putFile("/sys/" + place + "/dev", "8:2\n");
        kernel.putLink("/sys/class/block/sda2", "../../" + place);
    }
    if (const auto* lan = first(topology, pciclass::network)) {
        const auto place = placeOf(kernel, *lan) + "/net/eth0";
        kernel.putFile("/sys/" + place + "/ifindex", std::to_string(lanIndex) + '\n');
        kernel.putFile("/sys/" + place + "/flags", "0x1003\n");
        kernel.putFile("/sys/" + place + "/carrier", "1\n");
        kernel.putLink("/sys/class/net/eth0", "../../" + place);
    }
    constexpr std::uint16_t vga = 0x0300; // other displays have no such file
    const auto screen = std::ranges::find_if(
        topology.devices(), [](const auto& entry) { return entry.second.ids.classId() == vga; });
    if (screen != topology.devices().end())
        kernel.putFile(screen->second.sysfsPath() + "/boot_vga", "1\n");
}

std::string planOfGroup(const Sysfs& sysfs, Topology topology, unsigned group) {
    for (const auto* device : topology.endpoints(group)) {
        const auto address = device->address;
        topology.setOverride(address, readDriverOverride(sysfs, address).value());
    }
    const auto found = inspect(sysfs, topology, group, Action::bind);
    return planGroup(group, {.by = "bind"}, topology, readDrivers(sysfs).value(), found.blockers).str();
}

std::string plansOf(const std::string& machine) {
    FakeKernel kernel;
    kernel.loadTopologyFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/" + machine + ".json");
    const auto topology = Topology::read(kernel).value();
    useByHost(kernel, topology);
    HostSysfs host(kernel);
    host.dumps[{RTM_GETROUTE, AF_INET}] = routeMessage(AF_INET, 0, 254)
                                              .with(RTA_OIF, lanIndex)
                                              .with(RTA_GATEWAY, addressBytes("192.0.2.1"))
                                              .str();
    std::string text;
    for (const auto& [address, device] : topology.devices()) {
        const bool shown = isOf(device, pciclass::display) || isOf(device, pciclass::network) ||
                           isOf(device, pciclass::storage);
        if (!shown)
            continue;
        text += fmt::format("{} [{:04x}] [{}] {}\n", address.str(), device.ids.classId(), device.ids.str(),
                            device.driver.empty() ? "-" : device.driver);
        text += device.group ? planOfGroup(host, topology, *device.group) : "  in no IOMMU group\n";
        text += '\n';
    }
    return text;
}

class GoldenPlan : public testing::TestWithParam<const char*> {};

// cases 1, 2, 4, 6, 7, 9
TEST_P(GoldenPlan, IsAsItWasReviewed) {
    expectGolden(std::string("plans/") + GetParam() + ".txt", plansOf(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Machines, GoldenPlan,
                         testing::Values("asrock-z170-itx", "epyc-a100-hostbridge", "fm2-a88x",
                                         "gigabyte-b550-chipset-gpu", "h110-no-iommu",
                                         "haswell-b85-pci-bridge", "intel-z370-dual-gpu",
                                         "intel-z690-tb4-vmd", "laptop-mx150", "power9-multidomain",
                                         "skylake-server-sriov", "x370-dual-rx580", "x570-aorus"));

} // namespace
} // namespace vfiobind::golden_plan_test
