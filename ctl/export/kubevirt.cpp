// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"
#include "publish/cdi.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

/// Kubernetes takes 63 letters, digits, `-`, `_` and `.` for a resource, first and last a letter or a digit.
constexpr std::size_t longestName = 63;

struct Resource {
    std::string selector; ///< `10DE:1EB8`
    std::string name;
    bool variant = false; ///< one of its functions is not with vfio-pci itself
};

/// One entry for each id: KubeVirt chooses by nothing else. A rule's name is that of the first function of
/// its first group; what comes along with it has its own id behind the name.
class Resources {
public:
    void add(const PassedGroup& group, const PassedFunction& function) {
        auto selector = fmt::format("{:04X}:{:04X}", function.vendor, function.device);
        auto entry = std::ranges::find(list_, selector, &Resource::selector);
        if (entry == list_.end()) {
            const auto base = "vfio.bind/" + (isCdiName(group.rule) ? group.rule : group.name);
            const bool free = std::ranges::find(list_, base, &Resource::name) == list_.end();
            const auto name =
                free ? base : fmt::format("{}-{:04x}-{:04x}", base, function.vendor, function.device);
            entry = list_.insert(list_.end(), {std::move(selector), name});
        }
        entry->variant = entry->variant || function.driver != "vfio-pci";
    }

    const std::vector<Resource>& list() const { return list_; }

private:
    std::vector<Resource> list_;
};

std::string entryOf(const Resource& resource) {
    return fmt::format("  - pciVendorSelector: \"{}\"\n"
                       "    resourceName: \"{}\"\n"
                       "    externalResourceProvider: {}\n",
                       resource.selector, resource.name, resource.variant);
}

} // namespace

ExportResult exportKubevirt(const ExportInput& input) {
    Resources resources;
    for (const auto& group : input.groups)
        for (const auto& function : group.functions)
            resources.add(group, function);
    Exported result;
    result.file =
        "# In the KubeVirt resource, below spec.configuration; a VM names the resources in its gpus or "
        "hostDevices.\n"
        "permittedHostDevices:\n"
        "  pciHostDevices:\n";
    for (const auto& resource : resources.list()) {
        const auto name = resource.name.substr(resource.name.find('/') + 1);
        if (name.size() > longestName)
            return std::unexpected(
                fmt::format("'{}' has {} characters, and Kubernetes takes {} for the name of a "
                            "resource; a shorter name for the rule helps",
                            name, name.size(), longestName));
        result.file += entryOf(resource);
    }
    for (const auto& variant : withVariantDriver(input.groups))
        result.notes.push_back(variant +
                               ", and KubeVirt's own device plugin takes vfio-pci only: "
                               "externalResourceProvider is true, so another plugin has to offer it");
    if (resources.list().size() > 1)
        result.notes.emplace_back(
            "a VM that names several of these resources gets one of each id, which on a host with two "
            "such cards need not be of one group");
    return result;
}

} // namespace vfiobind::ctl
