// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace vfiobind {

class Core;

/// The whole state as one JSON document (org.vfiobind1.Manager.Describe, `vfio-bindctl --json`).
std::string describe(const Core& core);

} // namespace vfiobind
