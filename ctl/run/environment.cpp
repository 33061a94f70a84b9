// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/environment.h"

#include "export/exporters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace vfiobind::ctl {
std::expected<std::map<std::string, std::string>, Refusal>
leaseEnvironment(const Snapshot& snapshot, const Touched& touched, const Sysfs& sysfs) {
    const auto groups = passedGroups(snapshot, touched);
    if (!groups)
        return std::unexpected(Refusal{ExitCode::notAcquired, groups.error()});
    std::vector<unsigned> numbers;
    std::vector<std::string> nodes;
    std::vector<std::string> devices;
    for (const auto& group : *groups) {
        numbers.push_back(group.number);
        nodes.push_back(group.node);
        for (const auto& function : group.functions)
            devices.push_back(function.address.str());
    }
    std::map<std::string, std::string> environment{
        {"VFIO_BIND_GROUPS", fmt::format("{}", fmt::join(numbers, " "))},
        {"VFIO_BIND_NODES", fmt::format("{}", fmt::join(nodes, " "))},
        {"VFIO_BIND_DEVICES", fmt::format("{}", fmt::join(devices, " "))},
        {"VFIO_BIND_QEMU", ""}};
    // Without an IOMMU there is nothing to tell QEMU; a program of DPDK's runs all the same.
    const auto exported =
        exportTarget(snapshot, touched, *findExporter("qemu"), {.sysfs = &sysfs, .host = {}});
    if (exported)
        environment["VFIO_BIND_QEMU"] = fmt::format("{}", fmt::join(exported->arguments, " "));
    return environment;
}

} // namespace vfiobind::ctl
