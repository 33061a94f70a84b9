// SPDX-License-Identifier: LGPL-2.1-or-later
/// modules.alias(5) as text, for programs that go without libkmod.
#pragma once

#include "pci/ids.h"

#include <string>
#include <string_view>

namespace vfiobind {

/// The module whose `vfio_pci:` alias fits the device with the fewest wildcards
/// (Documentation/driver-api/vfio-pci-device-specific-driver-acceptance.rst), else `vfio-pci`.
std::string variantModule(std::string_view modulesAlias, const Ids& ids);

} // namespace vfiobind
