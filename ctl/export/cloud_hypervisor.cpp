// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"
#include "pci/capabilities.h"
#include "pci/ids.h"

#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

std::string pathOf(const PassedFunction& function) {
    return "/sys/bus/pci/devices/" + function.address.str();
}

bool isDisplay(const PassedFunction& function) {
    return function.classId >> 8 == pciclass::display;
}

/// It gives its guests no legacy interrupts. Nothing where all is well.
std::string interruptNote(const PassedFunction& function, const Sysfs* sysfs) {
    constexpr std::size_t standard = 256;
    const auto name = function.address.str();
    const std::string unknown =
        "whether " + name + " has MSI or MSI-X, without which Cloud Hypervisor cannot use it, cannot be told";
    if (sysfs == nullptr)
        return unknown + fmt::format(" from another machine; run 'vfio-bindctl doctor {}' there", name);
    const auto config = sysfs->read(pathOf(function) + "/config", standard);
    if (!config)
        return unknown + ": " + config.error().str();
    const auto capabilities = readCapabilities(*config);
    if (!capabilities)
        return unknown + ": only root can read its capabilities";
    if (!capabilities->msi() && !capabilities->msix())
        return name + " has neither MSI nor MSI-X, and Cloud Hypervisor has no legacy interrupts: the guest "
                      "cannot use it";
    if (!capabilities->msix() && function.vendor == pcivendor::nvidia && isDisplay(function))
        return name +
               " has MSI but not MSI-X, which NVIDIA's own driver wants in a guest of Cloud Hypervisor";
    return {};
}

} // namespace

ExportResult exportCloudHypervisor(const ExportInput& input) {
    // One --device with all of them: there are releases that refuse a second one.
    Exported result;
    if (input.iommufd) {
        result.arguments = {"--platform", "iommufd=on,vfio_p2p_dma=off"};
        result.notes.emplace_back("Cloud Hypervisor has iommufd=on since April 2026; it belongs into the one "
                                  "--platform that there can be, and vfio_p2p_dma=off leaves out the memory "
                                  "of devices, which Linux does not map for iommufd");
    }
    result.arguments.emplace_back("--device");
    for (const auto& group : input.groups)
        for (const auto& function : group.functions) {
            result.arguments.push_back("path=" + pathOf(function) + '/');
            if (auto note = interruptNote(function, input.sysfs); !note.empty())
                result.notes.push_back(std::move(note));
        }
    return result;
}

} // namespace vfiobind::ctl
