// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/cdi.h"

#include "publish/publishers.h"

namespace vfiobind {

std::string cdiText(const PublishState& state) {
    std::vector<CdiDevice> devices;
    for (const auto& group : state.groups) {
        if (!group.isOffered())
            continue;
        if (state.cdiNodes == CdiNodes::cdev && !group.cdevs.empty())
            devices.push_back({group.name, group.cdevs});
        if (state.cdiNodes == CdiNodes::group && !group.node.empty())
            devices.push_back({group.name, {group.node}});
    }
    return cdiSpec(state.cdiKind, state.cdiNodes, devices);
}

} // namespace vfiobind
