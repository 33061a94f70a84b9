// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

void addDevice(Exported& result, const std::string& node) {
    result.arguments.emplace_back("--device");
    result.arguments.push_back(node);
}

} // namespace

ExportResult exportContainer(const ExportInput& input) {
    Exported result;
    addDevice(result, input.iommufd ? "/dev/iommu" : "/dev/vfio/vfio");
    for (const auto& group : input.groups)
        for (const auto& node : nodesOf(group, input.iommufd))
            addDevice(result, node);
    // What a device may reach by DMA is locked memory.
    result.arguments.insert(result.arguments.end(), {"--ulimit", "memlock=-1"});
    if (std::ranges::any_of(input.groups, &PassedGroup::noIommu))
        // Nobody else may open the node of such a group (vfio_group_fops_open).
        result.arguments.insert(result.arguments.end(), {"--cap-add", "SYS_RAWIO"});
    return result;
}

ExportResult exportKata(const ExportInput& input) {
    // The container's VM gets the devices: /dev/vfio/vfio is opened outside of it.
    Exported result;
    std::size_t functions = 0;
    for (const auto& group : input.groups) {
        addDevice(result, group.node);
        functions += group.functions.size();
    }
    result.notes.push_back(
        fmt::format("in Kata's configuration.toml a VM needs a root port for each function: "
                    "hot_plug_vfio = \"root-port\" and pcie_root_port = {}, or more",
                    functions));
    return result;
}

} // namespace vfiobind::ctl
