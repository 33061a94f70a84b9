// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"

#include <string>

namespace vfiobind {

/// The whole state as one JSON document (org.vfiobind1.Manager.Describe, `vfio-bindctl --json`).
std::string describe(Core& core);

} // namespace vfiobind
