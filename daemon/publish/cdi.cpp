// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/cdi.h"

#include "publish/publishers.h"

#include <fmt/format.h>
#include <utility>

namespace vfiobind {
namespace {

std::vector<std::string> nodesOf(const PublishedGroup& group, CdiNodes way) {
    if (way == CdiNodes::cdev)
        return group.cdevs;
    return group.node.empty() ? std::vector<std::string>{} : std::vector{group.node};
}

} // namespace

std::string cdiText(const PublishState& state) {
    std::vector<CdiDevice> devices;
    for (const auto& group : state.groups)
        if (auto nodes = nodesOf(group, state.cdiNodes); group.isOffered() && !nodes.empty())
            devices.push_back({group.name, std::move(nodes)});
    return cdiSpec(state.cdiKind, state.cdiNodes, devices);
}

std::string cdiLack(const PublishState& state) {
    std::string names;
    for (const auto& group : state.groups)
        if (group.isOffered() && nodesOf(group, state.cdiNodes).empty())
            names += (names.empty() ? "" : ", ") + group.name;
    if (names.empty())
        return {};
    if (state.cdiNodes == CdiNodes::cdev)
        return fmt::format("the CDI spec lacks {}: cdi-nodes is \"cdev\", and not each of the devices has a "
                           "/dev/vfio/devices/vfioN (Linux 6.6 and later make them with "
                           "CONFIG_VFIO_DEVICE_CDEV, but none without an IOMMU); cdi-nodes = \"group\" gives "
                           "the group's node",
                           names);
    return fmt::format(
        "the CDI spec lacks {}: cdi-nodes is \"group\", and there is no /dev/vfio/N (the kernel "
        "makes it with CONFIG_VFIO_GROUP); cdi-nodes = \"cdev\" gives the devices' nodes",
        names);
}

} // namespace vfiobind
