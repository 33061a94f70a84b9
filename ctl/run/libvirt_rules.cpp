// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/libvirt_rules.h"

#include "config/config.h"
#include "output.h"
#include "run/domain_devices.h"
#include "sysfs/real_sysfs.h"

#include <algorithm>
#include <iostream>
#include <iterator>

namespace vfiobind::ctl {

std::vector<std::string> askedRules(const Resolution& resolution, const Topology& topology,
                                    const std::vector<Address>& devices) {
    std::vector<std::string> names;
    for (const auto& address : devices) {
        const auto* device = topology.find(address);
        if (device == nullptr || !device->group)
            continue;
        const auto asked = resolution.asked.find(*device->group);
        if (asked != resolution.asked.end() && std::ranges::find(names, asked->second.rule) == names.end())
            names.push_back(asked->second.rule);
    }
    return names;
}

ExitCode runLibvirtRules() {
    const std::string xml(std::istreambuf_iterator<char>(std::cin), {});
    const auto devices = unmanagedDevices(xml);
    if (!devices) {
        complain(devices.error());
        return ExitCode::failed;
    }
    if (devices->empty())
        return ExitCode::done;
    const auto policy = loadPolicy("/etc/vfio-bind.toml");
    if (!policy) {
        complain(str(policy.error()));
        return ExitCode::failed;
    }
    const auto topology = Topology::read(RealSysfs());
    if (!topology) {
        complain(topology.error().str());
        return ExitCode::failed;
    }
    for (const auto& name : askedRules(resolve(*policy, *topology), *topology, *devices))
        printLine(name);
    return ExitCode::done;
}

} // namespace vfiobind::ctl
