// SPDX-License-Identifier: LGPL-2.1-or-later
// What vfio-bindctl export prints for groups of real machines, as files that people have read; what goes to
// standard error is marked with `note:`.
// VFIO_BIND_WRITE_GOLDEN=1 in the environment writes the files anew; git shows what has changed.
#include "export/export.h"
#include "fake/machine.h"
#include "golden.h"
#include "guard/holders.h"
#include "topology/topology.h"

#include <fmt/format.h>
#include <ostream>

namespace vfiobind::ctl::golden_export_test {
namespace {

using namespace std::string_literals;

struct Machine {
    const char* name; ///< of the golden file
    const char* topology;
    unsigned group;
    const char* rule;
};

void PrintTo(const Machine& machine, std::ostream* out) {
    *out << machine.name;
}

/// Displays have MSI, virtual functions MSI-X, and the others neither.
std::string configOf(const Device& device) {
    std::string bytes(256, '\0');
    if (!device.physicalFunction && device.ids.baseClass() != pciclass::display)
        return bytes;
    bytes[0x06] = 0x10; // there are capabilities
    bytes[0x34] = 0x40; // the first
    bytes[0x40] = device.physicalFunction ? 0x11 : 0x05;
    return bytes;
}

FakeKernel boundMachine(const Machine& machine, FakeVersion version = FakeVersion::v6_1) {
    FakeKernel kernel;
    kernel.version = version;
    kernel.loadTopologyFile(VFIO_BIND_SOURCE_DIR "/tests/topologies/"s + machine.topology + ".json");
    const auto topology = Topology::read(kernel).value();
    for (const auto* device : topology.endpoints(machine.group)) {
        kernel.putFile(device->sysfsPath() + "/config", configOf(*device));
        fakemachine::toVfio(kernel, device->address.str());
    }
    return kernel;
}

/// What the daemon would tell of the group.
Snapshot snapshotOf(const Sysfs& sysfs, unsigned number, const char* rule) {
    const auto topology = Topology::read(sysfs).value();
    Snapshot snapshot;
    const auto path = fmt::format("/group/{}", number);
    auto& group = snapshot.groups[path];
    group = {.objectPath = path, .number = number, .state = "bound", .viable = true, .rule = rule};
    group.node = groupNode(sysfs, number);
    for (const auto& address : topology.findGroup(number)->members)
        group.devices.push_back(address.objectName());
    for (const auto& [address, device] : topology.devices()) {
        auto& state = snapshot.devices[address.objectName()];
        state.address = address.str();
        state.vendor = device.ids.vendor;
        state.device = device.ids.device;
        state.subsystemVendor = device.ids.subsystemVendor;
        state.subsystemDevice = device.ids.subsystemDevice;
        state.classCode = device.ids.classCode;
        state.driver = device.driver;
        state.vfioDevice = vfioDeviceNode(sysfs, address);
        state.group = device.group ? fmt::format("/group/{}", *device.group) : "/";
        state.physicalFunction = device.physicalFunction ? device.physicalFunction->objectName() : "/";
    }
    return snapshot;
}

std::string everyExport(const Sysfs& sysfs, const Machine& machine, bool iommufd) {
    const auto snapshot = snapshotOf(sysfs, machine.group, machine.rule);
    std::string text;
    for (const auto& exporter : exporters) {
        const auto exported = exportTarget(snapshot, {{&snapshot.groups.begin()->second}, {}}, exporter,
                                           {&sysfs, "host-a"}, iommufd);
        text += "--- " + std::string(exporter.name) + '\n';
        if (!exported) {
            text += "refused: " + exported.error().sentence + '\n';
            continue;
        }
        text += renderExport(*exported);
        for (const auto& note : exported->notes)
            text += "note: " + note + '\n';
    }
    return text;
}

class GoldenExport : public testing::TestWithParam<Machine> {};

// cases 1, 2
TEST_P(GoldenExport, IsWhatWasReviewed) {
    const auto kernel = boundMachine(GetParam());
    expectGolden("export/"s + GetParam().name + ".txt", everyExport(kernel, GetParam(), false));
}

TEST_P(GoldenExport, ForIommufdIsWhatWasReviewed) {
    const auto kernel = boundMachine(GetParam(), FakeVersion::v6_12);
    expectGolden("export/iommufd/"s + GetParam().name + ".txt", everyExport(kernel, GetParam(), true));
}

INSTANTIATE_TEST_SUITE_P(Machines, GoldenExport,
                         testing::Values(Machine{"two-function-gpu", "asrock-z170-itx", 1, "guest-gpu"},
                                         Machine{"conventional-bridge", "skylake-server-sriov", 16, ""},
                                         Machine{"virtual-function", "skylake-server-sriov", 26, "guest-nic"},
                                         Machine{"several-cards", "x370-dual-rx580", 15, "_storage"}),
                         [](const auto& one) {
                             std::string name = one.param.name;
                             std::erase(name, '-');
                             return name;
                         });

} // namespace
} // namespace vfiobind::ctl::golden_export_test
