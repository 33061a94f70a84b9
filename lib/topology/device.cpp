// SPDX-License-Identifier: LGPL-2.1-or-later
#include "topology/device.h"

namespace vfiobind {

bool Device::endpoint() const {
    return !bridge && ids.classId() != pciclass::hostBridge;
}

std::string Device::sysfsPath() const {
    return "/sys/bus/pci/devices/" + address.str();
}

bool Device::onVfio() const {
    return vfioDevice || isVfioDriver(driver);
}

bool Device::isVfios(std::string_view name) const {
    return isVfioDriver(name) || (!name.empty() && name == driver && onVfio());
}

bool isVfioDriver(std::string_view driver) {
    return driver.find("vfio-pci") != std::string_view::npos ||
           driver.find("vfio_pci") != std::string_view::npos;
}

bool keepsGroupViable(const Device& device) {
    const auto& driver = device.driver;
    return driver.empty() || driver == "pcieport" || driver == "pci-stub" || device.onVfio();
}

} // namespace vfiobind
