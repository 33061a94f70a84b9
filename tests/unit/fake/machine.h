// SPDX-License-Identifier: LGPL-2.1-or-later
/// A small machine, and short words for writing to it, for the fake kernel's own tests.
#pragma once

#include "fake/fake_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::fakemachine {

inline const std::string devices = "/sys/bus/pci/devices/";
inline const std::string drivers = "/sys/bus/pci/drivers/";
inline const std::string gpu = "0000:01:00.0";
inline const std::string audio = "0000:01:00.1";
inline const std::string nic = "0000:02:00.0";

inline int code(const SysResult<void>& result) {
    return result ? 0 : result.error().code;
}

/// A card of two functions in group 1, a NIC in group 2, their native drivers, vfio-pci.
inline FakeKernel machine() {
    FakeKernel kernel;
    kernel.addDriver({.name = "nouveau", .module = "nouveau", .ids = {"10de::03"}});
    kernel.addDriver({.name = "snd_hda_intel", .module = "snd_hda_intel", .ids = {"::0403"}});
    kernel.addDriver({.name = "e1000e", .module = "e1000e", .ids = {"8086:10d3"}});
    kernel.addVfioPci();
    kernel.addRootPort("0000:00:01.0", 0);
    kernel.addRootPort("0000:00:02.0", 2);
    kernel.addDevice({.address = gpu,
                      .ids = "10de:1284",
                      .classCode = 0x030000,
                      .group = 1,
                      .driver = "nouveau",
                      .bootVga = true});
    kernel.addDevice(
        {.address = audio, .ids = "10de:0e0f", .classCode = 0x040300, .group = 1, .driver = "snd_hda_intel"});
    kernel.addDevice(
        {.address = nic, .ids = "8086:10d3", .classCode = 0x020000, .group = 3, .driver = "e1000e"});
    return kernel;
}

inline int put(FakeKernel& kernel, const std::string& path, const std::string& data) {
    return code(kernel.write(path, data));
}
inline int overrideTo(FakeKernel& kernel, const std::string& address, const std::string& value) {
    return put(kernel, devices + address + "/driver_override", value);
}
inline int unbindIt(FakeKernel& kernel, const std::string& address) {
    return put(kernel, devices + address + "/driver/unbind", address);
}
inline int bindTo(FakeKernel& kernel, const std::string& driver, const std::string& address) {
    return put(kernel, drivers + driver + "/bind", address);
}
inline int probe(FakeKernel& kernel, const std::string& address) {
    return put(kernel, "/sys/bus/pci/drivers_probe", address);
}

inline void toVfio(FakeKernel& kernel, const std::string& address) {
    ASSERT_EQ(overrideTo(kernel, address, "vfio-pci\n"), 0);
    if (!kernel.driverOf(address).empty()) {
        ASSERT_EQ(unbindIt(kernel, address), 0);
    }
    ASSERT_EQ(bindTo(kernel, "vfio-pci", address), 0);
    ASSERT_EQ(kernel.driverOf(address), "vfio-pci");
}

} // namespace vfiobind::fakemachine
