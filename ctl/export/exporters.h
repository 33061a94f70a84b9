// SPDX-License-Identifier: LGPL-2.1-or-later
/// What each program that takes VFIO devices wants to be told. Each exporter is a file of its own.
#pragma once

#include "export/passed.h"
#include "sysfs/sysfs.h"

#include <array>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

struct Exported {
    std::vector<std::string> arguments; ///< of a command line; empty where it is a file
    std::string file;                   ///< whole, with the newline at its end
    std::vector<std::string> notes;     ///< sentences for whoever asked
};

/// `sysfs` is null where the machine is another one, whose files are out of reach.
struct ExportInput {
    const std::vector<PassedGroup>& groups;
    const Sysfs* sysfs = nullptr;
    std::string host;     ///< the machine's name without its domain; empty where only its address is known
    bool iommufd = false; ///< by the cdevs, which all functions have then, and not by the groups' nodes
};

/// The error is a sentence: the program cannot be told of these devices.
using ExportResult = std::expected<Exported, std::string>;

ExportResult exportQemu(const ExportInput& input);
ExportResult exportLibvirt(const ExportInput& input);
ExportResult exportCloudHypervisor(const ExportInput& input);
ExportResult exportContainer(const ExportInput& input); ///< docker and podman take the same
ExportResult exportKata(const ExportInput& input);
ExportResult exportCrosvm(const ExportInput& input);
ExportResult exportOpennebula(const ExportInput& input);
ExportResult exportCdi(const ExportInput& input);
ExportResult exportKubevirt(const ExportInput& input);
ExportResult exportNova(const ExportInput& input);
ExportResult exportProxmox(const ExportInput& input);
ExportResult exportIncus(const ExportInput& input);

struct Exporter {
    std::string_view name; ///< as in --for
    std::string_view title;
    bool isVmm = true; ///< it wants an IOMMU
    ExportResult (*make)(const ExportInput&) = nullptr;
    bool takesIommufd = false; ///< it can be told to take devices through iommufd
};

inline constexpr std::array<Exporter, 13> exporters{{
    {"qemu", "QEMU", true, exportQemu, true},
    {"libvirt", "libvirt", true, exportLibvirt, true},
    {"cloud-hypervisor", "Cloud Hypervisor", true, exportCloudHypervisor, true},
    {"docker", "docker", false, exportContainer, true},
    {"podman", "podman", false, exportContainer, true},
    {"kata", "Kata Containers", true, exportKata},
    {"crosvm", "crosvm", true, exportCrosvm},
    {"opennebula", "OpenNebula", true, exportOpennebula},
    {"cdi", "CDI", false, exportCdi, true},
    {"kubevirt", "KubeVirt", true, exportKubevirt},
    {"nova", "OpenStack Nova", true, exportNova},
    {"proxmox", "Proxmox VE", true, exportProxmox},
    {"incus", "Incus", true, exportIncus},
}};

/// Null where there is none of that name.
const Exporter* findExporter(std::string_view name);

} // namespace vfiobind::ctl
