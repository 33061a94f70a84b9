// SPDX-License-Identifier: LGPL-2.1-or-later
// What vfio-bindctl doctor prints on real machines, as text and as JSON, as files that people have read.
// VFIO_BIND_WRITE_GOLDEN=1 in the environment writes the files anew; git shows what has changed.
#include "doctor/doctor.h"
#include "fake/fake_kernel.h"
#include "golden.h"
#include "topology/topology.h"

#include <gtest/gtest.h>
#include <ostream>

namespace vfiobind::ctl::golden_doctor_test {
namespace {

struct Machine {
    const char* name; ///< of the golden files
    const char* topology;
    const char* target;
    std::vector<std::string> iommu; ///< none: the firmware has one, and the kernel does not use it
    const char* cpu;
    const char* acpiTable;
    const char* commandLine;
};

void PrintTo(const Machine& machine, std::ostream* out) {
    *out << machine.name;
}

/// Configuration space of a device with MSI.
std::string configWithMsi() {
    std::string bytes(256, '\0');
    bytes[0x06] = 0x10; // there are capabilities
    bytes[0x34] = 0x40; // the first
    bytes[0x40] = 0x05;
    return bytes;
}

/// That of a PCI Express switch's port without ACS; its extended part is there.
std::string configOfPort() {
    std::string bytes(4096, '\0');
    bytes[0x06] = 0x10;
    bytes[0x34] = 0x40;
    bytes[0x40] = 0x10;
    bytes[0x42] = 0x62; // a downstream port
    return bytes;
}

FakeKernel kernelOf(const Machine& machine) {
    FakeKernel kernel;
    kernel.addVfioPci();
    kernel.loadTopologyFile(std::string(VFIO_BIND_SOURCE_DIR "/tests/topologies/") + machine.topology +
                            ".json");
    kernel.setIommu(machine.iommu);
    kernel.putDirectory("/sys/module/vfio_iommu_type1");
    kernel.putFile(std::string("/sys/firmware/acpi/tables/") + machine.acpiTable, "");
    kernel.putFile("/proc/cpuinfo", std::string("vendor_id : ") + machine.cpu + '\n');
    kernel.putFile("/proc/cmdline", std::string(machine.commandLine) + '\n');
    kernel.putFile("/proc/interrupts", "            CPU0\n  24:   1  IR-PCI-MSI 0000:00:02.0\n");
    kernel.putFile("/proc/self/mountinfo", "21 1 8:2 / / rw - ext4 /dev/sda2 rw\n");
    const auto topology = Topology::read(kernel).value();
    for (const auto& [address, device] : topology.devices())
        kernel.putFile(device.sysfsPath() + "/config", device.bridge ? configOfPort() : configWithMsi());
    return kernel;
}

class GoldenDoctor : public testing::TestWithParam<Machine> {};

// cases 2, 9, 22
TEST_P(GoldenDoctor, SaysWhatWasReviewed) {
    const auto& machine = GetParam();
    const auto kernel = kernelOf(machine);
    const auto diagnosis =
        diagnose(kernel, {.target = machine.target,
                          .config = "/nonexistent/vfio-bind.toml",
                          .root = true,
                          .changed = [](const auto&) { return std::optional<std::int64_t>{}; }});
    expectGolden("doctor/" + std::string(machine.name) + ".txt",
                 renderDiagnosis(diagnosis, Style{.columns = 0}));
    expectGolden("doctor/" + std::string(machine.name) + ".json", diagnosisJson(diagnosis));
}

INSTANTIATE_TEST_SUITE_P(
    Machines, GoldenDoctor,
    testing::Values(
        Machine{"no-iommu", "h110-no-iommu", "00:02.0", {}, "GenuineIntel", "DMAR", "quiet"},
        Machine{"amd-shared-group", "x370-dual-rx580", "03:00.1", {"ivhd0"}, "AuthenticAMD", "IVRS", "quiet"},
        Machine{"intel-good-group",
                "asrock-z170-itx",
                "01:00.0",
                {"dmar0", "dmar1"},
                "GenuineIntel",
                "DMAR",
                "intel_iommu=on"}),
    [](const auto& one) {
        std::string name = one.param.name;
        std::erase(name, '-');
        return name;
    });

} // namespace
} // namespace vfiobind::ctl::golden_doctor_test
