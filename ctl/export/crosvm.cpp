// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

namespace vfiobind::ctl {

ExportResult exportCrosvm(const ExportInput& input) {
    Exported result;
    for (const auto& group : input.groups)
        for (const auto& function : group.functions) {
            result.arguments.emplace_back("--vfio");
            result.arguments.push_back("/sys/bus/pci/devices/" + function.address.str());
        }
    return result;
}

} // namespace vfiobind::ctl
