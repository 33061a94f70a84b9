// SPDX-License-Identifier: LGPL-2.1-or-later
#include "topology/device.h"

namespace vfiobind {

bool Device::endpoint() const {
    return !bridge && ids.classId() != pciclass::hostBridge;
}

std::string Device::sysfsPath() const {
    return "/sys/bus/pci/devices/" + address.str();
}

bool isVfioDriver(std::string_view driver) {
    return driver.find("vfio-pci") != std::string_view::npos ||
           driver.find("vfio_pci") != std::string_view::npos;
}

bool keepsGroupViable(std::string_view driver) {
    return driver.empty() || driver == "pcieport" || driver == "pci-stub" || isVfioDriver(driver);
}

} // namespace vfiobind
