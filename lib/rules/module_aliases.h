// SPDX-License-Identifier: LGPL-2.1-or-later
/// modules.alias(5) as text: what driver "auto" means is told without libkmod, which is not in an initramfs
/// and needs memory.
#pragma once

#include "pci/ids.h"
#include "sysfs/sysfs.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vfiobind {

class VariantModules {
public:
    /// The content of /lib/modules/RELEASE/modules.alias, of which nothing is kept but what is needed.
    explicit VariantModules(std::string_view modulesAlias);
    /// The same of the file, which is 1.5 MB on Debian: it is mapped, not copied. A kernel without modules
    /// has none, and that is no error.
    static SysResult<VariantModules> ofFile(const std::string& path);

    /// The module whose `vfio_pci:` alias fits the device with the fewest wildcards
    /// (Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst), else `vfio-pci`.
    std::string of(const Ids& ids) const;

private:
    std::vector<std::pair<std::string, std::string>> aliases_; ///< pattern and module
};

} // namespace vfiobind
