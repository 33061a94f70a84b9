// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/export.h"

#include "fake/fake_kernel.h"
#include "test_snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl::export_test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// Group 22 of the test's machine is with VFIO.
Snapshot boundSnapshot() {
    Snapshot snapshot = testSnapshot();
    auto& group = snapshot.groups.at("/org/vfiobind1/group/22");
    group.state = "bound";
    group.node = "/dev/vfio/22";
    group.driver = "vfio-pci";
    for (const auto& path : group.devices)
        snapshot.devices.at(path).driver = "vfio-pci";
    return snapshot;
}

GroupState& groupOf(Snapshot& snapshot) {
    return snapshot.groups.at("/org/vfiobind1/group/22");
}

std::expected<Exported, Refusal> exported(const Snapshot& snapshot, const std::string& name,
                                          const std::string& target = "01:00.0") {
    const FakeKernel nothingThere;
    return exportTarget(snapshot, touchedBy(snapshot, target), *findExporter(name),
                        {&nothingThere, "host-a"});
}

Exported done(const Snapshot& snapshot, const std::string& name, const std::string& target = "01:00.0") {
    auto result = exported(snapshot, name, target);
    if (!result) {
        ADD_FAILURE() << result.error().sentence;
        return {};
    }
    return *result;
}

std::string refused(const Snapshot& snapshot, const std::string& name = "qemu",
                    const std::string& target = "01:00.0") {
    const auto result = exported(snapshot, name, target);
    if (result)
        return "no refusal";
    EXPECT_EQ(result.error().code, ExitCode::blocked);
    return result.error().sentence;
}

TEST(Export, ABoundGroupIsALine) {
    EXPECT_EQ(renderExport(done(boundSnapshot(), "qemu")),
              "-device pcie-root-port,id=vfio22-1,bus=pcie.0,chassis=22,slot=1 "
              "-device vfio-pci,host=0000:01:00.0,bus=vfio22-1,addr=00.0,multifunction=on "
              "-device vfio-pci,host=0000:01:00.1,bus=vfio22-1,addr=00.1\n");
    EXPECT_THAT(done(boundSnapshot(), "qemu").notes, IsEmpty());
}

TEST(Export, JsonHasTheArgumentsOneByOne) {
    const auto json =
        nlohmann::json::parse(exportJson("01:00.0", *findExporter("kata"), done(boundSnapshot(), "kata")));
    EXPECT_EQ(json.at("target"), "01:00.0");
    EXPECT_EQ(json.at("for"), "kata");
    EXPECT_EQ(json.at("arguments"), (std::vector<std::string>{"--device", "/dev/vfio/22"}));
    EXPECT_EQ(json.at("file"), "");
    EXPECT_EQ(json.at("notes").size(), 1U);
}

TEST(Export, EveryGroupOfATargetIsIn) {
    Snapshot snapshot = boundSnapshot();
    auto& other = snapshot.groups.at("/org/vfiobind1/group/5");
    other.state = "bound";
    other.node = "/dev/vfio/5";
    snapshot.devices.at("/org/vfiobind1/device/0000_03_00_0").driver = "vfio-pci";
    for (const char* path : {"/org/vfiobind1/group/22", "/org/vfiobind1/group/5"})
        snapshot.groups.at(path).rule = "both";
    EXPECT_THAT(done(snapshot, "podman", "both").arguments,
                ElementsAre("--device", "/dev/vfio/vfio", "--device", "/dev/vfio/5", "--device",
                            "/dev/vfio/22", "--ulimit", "memlock=-1"));
}

TEST(Export, WhatIsNotBoundIsRefusedWithTheWayOut) {
    for (const auto& exporter : exporters)
        EXPECT_EQ(refused(testSnapshot(), std::string(exporter.name)),
                  "group 22 is not bound (0000:01:00.0 has nouveau, 0000:01:00.1 has snd_hda_intel); "
                  "'vfio-bindctl bind group/22' hands it to VFIO");
    EXPECT_THAT(refused(testSnapshot(), "qemu", "group/101"),
                AllOf(HasSubstr("holds / (nvme0n1p2)"), HasSubstr("check group/101")));
    Snapshot snapshot = boundSnapshot();
    for (const auto& [state, expected] :
         std::vector<std::pair<std::string, std::string>>{{"binding", "is being bound"},
                                                          {"releasing", "is being released"},
                                                          {"stuck", "a step hangs in the kernel"},
                                                          {"partial", "is not bound"},
                                                          {"drifted", "is not bound"}}) {
        groupOf(snapshot).state = state;
        EXPECT_THAT(refused(snapshot), HasSubstr(expected)) << state;
    }
}

TEST(Export, OneRefusedGroupRefusesAll) {
    Snapshot snapshot = boundSnapshot();
    for (const char* path : {"/org/vfiobind1/group/22", "/org/vfiobind1/group/5"})
        snapshot.groups.at(path).rule = "both";
    EXPECT_THAT(refused(snapshot, "qemu", "both"),
                AllOf(HasSubstr("group 5 is not bound"), Not(HasSubstr("group 22"))));
}

// case 57
TEST(Export, WhatAnotherProgramBoundIsExportedAndSaid) {
    Snapshot snapshot = boundSnapshot();
    groupOf(snapshot).state = "native";
    EXPECT_THAT(done(snapshot, "qemu").notes, ElementsAre(HasSubstr("was bound by another program")));
    snapshot.devices.at("/org/vfiobind1/device/0000_01_00_1").driver = "snd_hda_intel";
    groupOf(snapshot).viable = false;
    EXPECT_THAT(refused(snapshot), HasSubstr("0000:01:00.1 has snd_hda_intel"));
}

// case 2
TEST(Export, BridgesAreLeftOutAndAloneRefused) {
    Snapshot snapshot = boundSnapshot();
    addDevice(snapshot, "0000:00:01.0", 22, 0x8086, 0x1901, "pcieport", "Port").classCode = 0x060400;
    EXPECT_THAT(renderExport(done(snapshot, "qemu")), Not(HasSubstr("0000:00:01.0")));
    addDevice(snapshot, "0000:00:1c.0", 30, 0x8086, 0xa110, "pcieport", "Port").classCode = 0x060400;
    EXPECT_THAT(refused(snapshot, "qemu", "group/30"), HasSubstr("has only bridges"));
}

// case 21
TEST(Export, WithoutAGroupThereIsNothingToExport) {
    Snapshot snapshot = testSnapshot();
    addDevice(snapshot, "0000:07:00.0", 9, 0x1af4, 0x1041, "", "NIC").group = "/";
    snapshot.groups.erase("/org/vfiobind1/group/9");
    EXPECT_THAT(refused(snapshot, "qemu", "07:00.0"),
                AllOf(HasSubstr("0000:07:00.0 is in no IOMMU group"), HasSubstr("vfio-bindctl doctor")));
}

// case 21
TEST(Export, AGroupWithoutAnIommuIsForContainersOnly) {
    Snapshot snapshot = boundSnapshot();
    groupOf(snapshot).node = "/dev/vfio/noiommu-22";
    for (const auto& exporter : exporters)
        if (exporter.isVmm) {
            EXPECT_THAT(refused(snapshot, std::string(exporter.name)),
                        AllOf(HasSubstr("without an IOMMU"), HasSubstr(std::string(exporter.title))));
        }
    const auto docker = done(snapshot, "docker");
    EXPECT_EQ(renderExport(docker),
              "--device /dev/vfio/vfio --device /dev/vfio/noiommu-22 --ulimit memlock=-1 "
              "--cap-add SYS_RAWIO\n");
    EXPECT_THAT(docker.notes, ElementsAre(HasSubstr("nothing keeps its devices from writing")));
}

TEST(Export, AStubAndAMissingNodeAreRefused) {
    Snapshot snapshot = boundSnapshot();
    groupOf(snapshot).node.clear();
    EXPECT_THAT(refused(snapshot), HasSubstr("there is no /dev/vfio/22"));
    snapshot = boundSnapshot();
    groupOf(snapshot).driver = "pci-stub";
    for (const auto& path : groupOf(snapshot).devices)
        snapshot.devices.at(path).driver = "pci-stub";
    EXPECT_THAT(refused(snapshot), AllOf(HasSubstr("is with pci-stub"), HasSubstr("--driver vfio-pci")));
}

// case 35
TEST(Export, AVmThatHasTheGroupIsNamed) {
    Snapshot snapshot = boundSnapshot();
    groupOf(snapshot).holders = {{1234, "qemu-system-x86"}};
    EXPECT_THAT(done(snapshot, "qemu").notes, ElementsAre(HasSubstr("in use by qemu-system-x86 (pid 1234)")));
}

TEST(ExportQemu, AVirtualFunctionIsFunctionZeroOfItsOwnPort) { // case 26
    Snapshot snapshot = boundSnapshot();
    for (const auto& path : groupOf(snapshot).devices)
        snapshot.devices.at(path).physicalFunction = "/org/vfiobind1/device/0000_02_00_0";
    EXPECT_THAT(done(snapshot, "qemu").arguments,
                ElementsAre("-device", "pcie-root-port,id=vfio22-1,bus=pcie.0,chassis=22,slot=1", "-device",
                            "vfio-pci,host=0000:01:00.0,bus=vfio22-1,addr=00.0", "-device",
                            "pcie-root-port,id=vfio22-2,bus=pcie.0,chassis=22,slot=2", "-device",
                            "vfio-pci,host=0000:01:00.1,bus=vfio22-2,addr=00.0"));
}

TEST(ExportQemu, AFunctionWhoseFirstIsElsewhereIsTheFirstOfTheGuest) {
    Snapshot snapshot = boundSnapshot();
    addDevice(snapshot, "10000:e1:00.2", 300, 0x144d, 0xa808, "vfio-pci", "Disk");
    auto& group = snapshot.groups.at("/org/vfiobind1/group/300");
    group.state = "bound";
    group.node = "/dev/vfio/300";
    EXPECT_THAT(done(snapshot, "qemu", "group/300").arguments, // case 53; a chassis has eight bits
                ElementsAre("-device", "pcie-root-port,id=vfio300-1,bus=pcie.0,chassis=44,slot=33", "-device",
                            "vfio-pci,host=10000:e1:00.2,bus=vfio300-1,addr=00.0"));
    EXPECT_THAT(refused(snapshot, "opennebula", "group/300"), HasSubstr("is not in domain 0000"));
}

TEST(ExportLibvirt, AVariantDriverIsSaid) { // case 17
    Snapshot snapshot = boundSnapshot();
    snapshot.devices.at("/org/vfiobind1/device/0000_01_00_0").driver = "mlx5_vfio_pci";
    const auto libvirt = done(snapshot, "libvirt");
    EXPECT_THAT(libvirt.file, Not(HasSubstr("managed='yes'")));
    EXPECT_THAT(libvirt.notes, ElementsAre(HasSubstr("0000:01:00.0 is with mlx5_vfio_pci")));
}

TEST(ExportCloudHypervisor, WhatCannotBeReadIsSaid) {
    const auto here = done(boundSnapshot(), "cloud-hypervisor");
    EXPECT_THAT(here.arguments, ElementsAre("--device", "path=/sys/bus/pci/devices/0000:01:00.0/",
                                            "path=/sys/bus/pci/devices/0000:01:00.1/"));
    EXPECT_THAT(here.notes, ElementsAre(AllOf(HasSubstr("0000:01:00.0"), HasSubstr("ENOENT")),
                                        AllOf(HasSubstr("0000:01:00.1"), HasSubstr("ENOENT"))));
    const auto snapshot = boundSnapshot();
    const auto elsewhere =
        exportTarget(snapshot, touchedBy(snapshot, "01:00.0"), *findExporter("cloud-hypervisor"), {});
    EXPECT_THAT(elsewhere.value().notes.at(0), HasSubstr("run 'vfio-bindctl doctor 0000:01:00.0' there"));
    FakeKernel ordinaryUser;
    ordinaryUser.putFile("/sys/bus/pci/devices/0000:01:00.0/config", std::string(64, '\0'));
    const auto hidden = exportTarget(snapshot, touchedBy(snapshot, "01:00.0"),
                                     *findExporter("cloud-hypervisor"), {&ordinaryUser, {}});
    EXPECT_THAT(hidden.value().notes.at(0), HasSubstr("only root can read"));
}

TEST(ExportCdi, TheNamesAreThoseOfAllGroupsOfTheRule) {
    Snapshot snapshot = boundSnapshot();
    auto& other = snapshot.groups.at("/org/vfiobind1/group/5");
    other.state = "bound";
    other.node = "/dev/vfio/5";
    other.rule = "guest-gpu";
    snapshot.devices.at("/org/vfiobind1/device/0000_03_00_0").driver = "vfio-pci";
    const auto named = [](const Exported& exported) {
        std::vector<std::string> names;
        const auto spec = nlohmann::json::parse(exported.file);
        for (const auto& device : spec.at("devices"))
            names.push_back(device.at("name"));
        return names;
    };
    EXPECT_THAT(named(done(snapshot, "cdi", "guest-gpu")),
                ElementsAre("guest-gpu-0000:03:00.0", "guest-gpu"));
    EXPECT_THAT(named(done(snapshot, "cdi", "group/5")), ElementsAre("guest-gpu-0000:03:00.0"));
    other.rule.clear();
    EXPECT_THAT(named(done(snapshot, "cdi", "group/5")), ElementsAre("group-5"));
}

TEST(ExportKubevirt, AVariantDriverIsLeftToAnotherPlugin) { // case 17
    Snapshot snapshot = boundSnapshot();
    EXPECT_THAT(done(snapshot, "kubevirt").file, Not(HasSubstr("true")));
    snapshot.devices.at("/org/vfiobind1/device/0000_01_00_0").driver = "mlx5_vfio_pci";
    const auto exported = done(snapshot, "kubevirt");
    EXPECT_THAT(exported.file,
                AllOf(HasSubstr("\"10DE:1284\"\n    resourceName: \"vfio.bind/guest-gpu\"\n    "
                                "externalResourceProvider: true"),
                      HasSubstr("\"10DE:0E0F\"\n    resourceName: \"vfio.bind/guest-gpu-10de-0e0f\"\n    "
                                "externalResourceProvider: false")));
    EXPECT_THAT(exported.notes, testing::Contains(AllOf(HasSubstr("0000:01:00.0 is with mlx5_vfio_pci"),
                                                        HasSubstr("vfio-pci only"))));
}

TEST(ExportKubevirt, ANameThatKubernetesDoesNotTakeIsRefused) {
    Snapshot snapshot = boundSnapshot();
    groupOf(snapshot).rule = std::string(55, 'a');
    EXPECT_THAT(refused(snapshot, "kubevirt"), AllOf(HasSubstr("has 65 characters"), HasSubstr("takes 63")));
}

TEST(ExportNova, ADomainThatNovaDoesNotTakeIsRefused) { // case 53
    Snapshot snapshot = boundSnapshot();
    addDevice(snapshot, "10000:e1:00.2", 300, 0x144d, 0xa808, "vfio-pci", "Disk");
    auto& group = snapshot.groups.at("/org/vfiobind1/group/300");
    group.state = "bound";
    group.node = "/dev/vfio/300";
    EXPECT_THAT(refused(snapshot, "nova", "group/300"), HasSubstr("10000:e1:00.2 has more than four digits"));
    EXPECT_THAT(done(snapshot, "proxmox", "group/300").file, HasSubstr("path=10000:e1:00.2,"));
}

TEST(ExportProxmox, ACardIsGivenWholeOnlyWhereAllOfItIsHandedOver) {
    Snapshot snapshot = boundSnapshot();
    EXPECT_THAT(
        done(snapshot, "proxmox").file,
        AllOf(HasSubstr("guest-gpu\n\tmap "
                        "node=host-a,path=0000:01:00,id=10de:1284,subsystem-id=0000:0000,iommugroup=22\n"),
              HasSubstr("hostpci0: mapping=guest-gpu,pcie=1,driver=keep\n"), Not(HasSubstr("hostpci1"))));
    addDevice(snapshot, "0000:01:00.2", 23, 0x10de, 0x1ad8, "xhci_hcd", "USB");
    EXPECT_THAT(done(snapshot, "proxmox").file,
                AllOf(HasSubstr("guest-gpu\n\tmap node=host-a,path=0000:01:00.0,id=10de:1284,"),
                      HasSubstr("guest-gpu-0000-01-00-1\n\tmap node=host-a,path=0000:01:00.1,id=10de:0e0f,"),
                      HasSubstr("hostpci1: mapping=guest-gpu-0000-01-00-1,pcie=1,driver=keep\n")));
}

TEST(ExportProxmox, ARuleWhoseNameIsNotTakenHasAnother) {
    Snapshot snapshot = boundSnapshot();
    groupOf(snapshot).rule = "3d-card";
    EXPECT_THAT(done(snapshot, "proxmox").file, HasSubstr("vfio-3d-card\n\tmap "));
}

TEST(ExportProxmox, TheNodeIsTheMachineByName) {
    EXPECT_EQ(hostOf("root@pve-a.example.org"), "pve-a");
    EXPECT_EQ(hostOf("pve-a"), "pve-a");
    EXPECT_EQ(hostOf("root@192.0.2.7"), "");
    EXPECT_EQ(hostOf("fd00::7"), "");
    const auto snapshot = boundSnapshot();
    const auto unnamed = exportTarget(snapshot, touchedBy(snapshot, "01:00.0"), *findExporter("proxmox"), {});
    EXPECT_THAT(unnamed.error().sentence, HasSubstr("give --host the name"));
}

TEST(ExportIncus, AVariantDriverIsSaid) { // case 17
    Snapshot snapshot = boundSnapshot();
    snapshot.devices.at("/org/vfiobind1/device/0000_01_00_0").driver = "mlx5_vfio_pci";
    EXPECT_THAT(done(snapshot, "incus").notes, ElementsAre(HasSubstr("0000:01:00.0 is with mlx5_vfio_pci")));
}

} // namespace
} // namespace vfiobind::ctl::export_test
