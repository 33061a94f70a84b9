// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/cdi.h"

#include "export/exporters.h"

namespace vfiobind::ctl {

/// What the daemon keeps in /run/cdi/vfio-bind.json, with the target's groups alone.
ExportResult exportCdi(const ExportInput& input) {
    std::vector<CdiDevice> devices;
    Exported result;
    for (const auto& group : input.groups)
        devices.push_back({group.name, group.node});
    result.file = cdiSpec(defaultCdiKind, devices);
    return result;
}

} // namespace vfiobind::ctl
