// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/sources.h"
#include "pci/text.h"

#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

constexpr std::string_view busPrefix = "pci-";

void readOverride(const ImportContext& context, const std::string& name, Found& found) {
    const auto path = "/etc/driverctl.d/" + name;
    if (!name.starts_with(busPrefix)) {
        found.warnings.push_back({{path, 0}, "it is an override for another bus than PCI; it is left out"});
        return;
    }
    const auto address = Address::parse(std::string_view(name).substr(busPrefix.size()));
    if (!address) {
        found.warnings.push_back({{path, 0}, address.error() + "; it is left out"});
        return;
    }
    const auto lines = linesOf(path, readSource(context.sysfs, path, found));
    const auto driver = lines.empty() ? std::string{} : lines.front().text;
    if (!isDriverName(driver) && (driver.contains("vfio") || driver.contains("pci-stub"))) {
        found.warnings.push_back(
            {{path, 1},
             fmt::format("{} is no driver's name: it has a blank, a quote or a carriage return, so driverctl "
                         "binds nothing by it; it is left out",
                         quote(driver))});
        return;
    }
    if (!isVfioDriver(driver) && driver != "pci-stub") {
        found.warnings.push_back(
            {{path, 1}, fmt::format("{} is no driver of VFIO; it is left out", quote(driver))});
        return;
    }
    found.claims.push_back({.selector = {.address = *address},
                            .driver = driver == "vfio-pci" ? "auto" : driver,
                            .place = {path, 1},
                            .name = "driverctl-" + address->objectName()});
    found.removable.push_back(
        {{path, 0},
         "the override",
         fmt::format("driverctl unset-override {}, or remove the file to leave the device as it is now",
                     address->str())});
}

} // namespace

Found importDriverctl(const ImportContext& context) {
    Found found;
    for (const auto& name : listSource(context.sysfs, "/etc/driverctl.d", found))
        readOverride(context, name, found);
    return found;
}

} // namespace vfiobind::ctl
