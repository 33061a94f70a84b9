// SPDX-License-Identifier: LGPL-2.1-or-later
// By which ways the kernel hands VFIO's devices out (doc/kernel.md 38).
#include "doctor/machine.h"
#include "guard/look.h"
#include "modules/module_state.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace vfiobind::ctl {
namespace {

/// Its module comes with vfio's, and the node with the module.
bool hasIommufd(const Sysfs& sysfs) {
    if (sysfs.exists("/dev/iommu"))
        return true;
    const auto verdict = moduleVerdict(sysfs, "iommufd");
    return verdict.loadable() || verdict.state == ModuleState::builtIn;
}

/// A device that is with VFIO shows it; else the configuration of the kernel, where the distribution keeps
/// it.
std::optional<bool> makesCdevs(const Sysfs& sysfs) {
    const std::string folder = "/sys/class/vfio-dev";
    const auto devices = listIfThere(sysfs, folder).value_or(std::vector<std::string>{});
    if (std::ranges::any_of(devices, [&](const std::string& name) {
            return sysfs.exists(fmt::format("{}/{}/dev", folder, name));
        }))
        return true;
    const auto release = sysfs.read("/proc/sys/kernel/osrelease", 256).value_or(std::string{});
    constexpr std::size_t enough = 4 << 20;
    const auto config = sysfs.read("/boot/config-" + release, enough);
    if (!config)
        return std::nullopt;
    return config->contains("\nCONFIG_VFIO_DEVICE_CDEV=y");
}

Finding way(Level level, std::string sentence, std::string remedy = {}) {
    return {level, "ways", {}, std::move(sentence), std::move(remedy)};
}

} // namespace

bool hasIommufdWay(const Sysfs& sysfs) {
    return hasIommufd(sysfs) && makesCdevs(sysfs).value_or(false);
}

Findings wayFindings(const Sysfs& sysfs, bool root) {
    if (!hasIommufd(sysfs))
        return {way(
            Level::ok,
            "the kernel has one way to a device, its group's node: there is no iommufd (CONFIG_IOMMUFD)")};
    const auto cdevs = makesCdevs(sysfs);
    if (!cdevs)
        return {way(Level::note, "the kernel has iommufd; whether it has the devices' cdevs "
                                 "(/dev/vfio/devices), too, shows once a device is bound")};
    if (!*cdevs)
        return {way(Level::ok,
                    "the kernel has one way to a device, its group's node: iommufd is there, but no "
                    "cdev (CONFIG_VFIO_DEVICE_CDEV, Linux 6.6 and later)")};
    Findings findings{way(Level::ok,
                          "the kernel has both ways to a device: its group's node, and iommufd with "
                          "the device's cdev")};
    if (!root)
        findings.push_back(
            way(Level::note,
                "/dev/iommu is root's where no rule of udev's says otherwise, and a VM that you "
                "start yourself opens it to take devices through iommufd",
                "see NODES in vfio-bind.toml(5) for such a rule"));
    return findings;
}

} // namespace vfiobind::ctl
