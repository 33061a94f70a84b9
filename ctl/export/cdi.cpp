// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/cdi.h"

#include "export/exporters.h"

namespace vfiobind::ctl {

/// What the daemon keeps in /run/cdi/vfio-bind.json, with the target's groups alone.
ExportResult exportCdi(const ExportInput& input) {
    std::vector<CdiDevice> devices;
    Exported result;
    for (const auto& group : input.groups)
        devices.push_back({group.name, nodesOf(group, input.iommufd)});
    result.file = cdiSpec(defaultCdiKind, input.iommufd ? CdiNodes::cdev : CdiNodes::group, devices);
    return result;
}

} // namespace vfiobind::ctl
