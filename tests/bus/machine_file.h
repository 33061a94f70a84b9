// SPDX-License-Identifier: LGPL-2.1-or-later
/// Fake machines as JSON.
#pragma once

#include "fake/fake_kernel.h"

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace vfiobind {

/// Adds what the file says:
///
///     {"vfio-pci": "loaded",               (or "unloaded", "absent")
///      "kernel": "6.12",                   (or "6.1", the default)
///      "iommu": ["dmar0"],
///      "drivers": [{"name": "e1000e", "module": "e1000e", "ids": ["8086:10d3"], "loaded": true}],
///      "root-ports": [{"address": "0000:00:01.0", "group": 0}],
///      "devices": [{"address": "0000:01:00.0", "ids": "8086:10d3", "class": "020000", "group": 1, "driver":
///      "e1000e"}], "reserved-regions": {"1": "0x0 0x1 direct"}}
///
/// Throws std::exception with what is wrong.
void loadMachine(FakeKernel& kernel, const std::string& file);

/// One device, with the keys of FakeDevice in kebab-case, and `class` as six hexadecimal digits.
FakeDevice deviceFrom(const nlohmann::json& json);

/// One driver, with the keys of FakeDriver in kebab-case; `loaded` is left to the caller.
FakeDriver driverFrom(const nlohmann::json& json);

} // namespace vfiobind
