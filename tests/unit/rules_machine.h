// SPDX-License-Identifier: LGPL-2.1-or-later
/// A machine and a rule, for the tests of the files by which udev knows the policy.
#pragma once

#include "config/config.h"
#include "fake/fake_kernel.h"

#include <string>

namespace vfiobind::rulesmachine {

/// A card of two functions in group 1, its bridge, a NIC in group 3.
inline Topology machine() {
    FakeKernel kernel;
    kernel.addRootPort("0000:00:01.0", 0);
    kernel.addRootPort("0000:00:02.0", 2);
    kernel.addDevice({.address = "0000:01:00.0", .ids = "10de:1284", .classCode = 0x030000, .group = 1});
    kernel.addDevice({.address = "0000:01:00.1", .ids = "10de:0e0f", .classCode = 0x040300, .group = 1});
    kernel.addDevice({.address = "0000:02:00.0", .ids = "8086:10d3", .classCode = 0x020000, .group = 3});
    return *Topology::read(kernel);
}

inline Policy policyOf(const std::string& text) {
    return *parsePolicy({{"vfio-bind.toml", text}});
}

inline std::string bind(const std::string& devices, const std::string& more = {}) {
    return "[[bind]]\nname = \"r\"\ndevices = [" + devices + "]\n" + more + "\n";
}

} // namespace vfiobind::rulesmachine
