// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pci/address.h"

#include <optional>
#include <string_view>

namespace vfiobind {

/// Reads what Address::objectName() writes, `0000_01_00_0`, and no other spelling.
std::optional<Address> addressNamed(std::string_view objectName);

} // namespace vfiobind
