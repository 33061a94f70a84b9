// SPDX-License-Identifier: LGPL-2.1-or-later
#include "dry_run.h"

#include "config/config.h"
#include "guard/guard.h"
#include "loop/event_loop.h"
#include "machine/kmod_modules.h"
#include "plan/plan.h"
#include "sysfs/real_sysfs.h"

#include <cstdlib>
#include <fmt/format.h>
#include <stdexcept>
#include <unistd.h>

namespace vfiobind {
namespace {

/// Need not be there; one that is named must.
constexpr const char* defaultConfig = "/etc/vfio-bind.toml";

template <typename T>
T orThrow(SysResult<T> result) {
    if (!result)
        throw std::runtime_error(result.error().str());
    return std::move(*result);
}

void readOverrides(const Sysfs& sysfs, Topology& topology, unsigned group) {
    for (const auto* device : topology.endpoints(group)) {
        const auto address = device->address;
        topology.setOverride(address, orThrow(readDriverOverride(sysfs, address)));
    }
}

/// What is not loaded would be: the plan shows the steps as they would be then.
Drivers driversToBe(Sysfs& sysfs, const Topology& topology, const Resolution& resolution) {
    EventLoop loop;
    KmodModules modules(loop, sysfs, nullptr);
    auto drivers = orThrow(readDrivers(sysfs));
    for (const auto& [group, wanted] : resolution.groups)
        for (const auto* device : topology.endpoints(group)) {
            const auto best = drivers.automatic[device->address] =
                drivers.resolve(modules.automatic(device->ids));
            for (const auto& driver : {best, drivers.resolve(wanted.driver)})
                if (driver != "auto" && !drivers.registered.contains(driver)) {
                    if (modules.canLoad(driver))
                        drivers.registered.insert(driver);
                    else
                        drivers.missing[driver] = modules.whyMissing(driver);
                }
        }
    return drivers;
}

} // namespace

int dryRun(const std::string& configFile) {
    RealSysfs sysfs;
    auto topology = orThrow(Topology::read(sysfs));
    if (configFile != defaultConfig && !sysfs.exists(configFile)) {
        fmt::print(stderr, "there is no configuration {}\n", configFile);
        return EXIT_FAILURE;
    }
    const auto policy = loadPolicy(configFile);
    const auto errors = policy ? contradictions(*policy, topology) : policy.error();
    if (!errors.empty()) {
        fmt::print(stderr, "{}\n", str(errors));
        return EXIT_FAILURE;
    }
    const auto wanted = resolve(*policy, topology);
    const auto drivers = driversToBe(sysfs, topology, wanted);
    if (policy->rules.empty())
        fmt::print("there is no rule in {} and its drop-ins: nothing would be done\n", configFile);
    for (const auto& name : wanted.waiting)
        fmt::print("rule {}: matches no device today; it waits for one\n", name);
    for (const auto& blocker : wanted.ungrouped)
        fmt::print("{}\n", blocker.str());
    for (const auto& [address, order] : wanted.virtualFunctions)
        if (const auto existing = topology.find(address)->virtualFunctions.size(); existing != order.count)
            fmt::print("{}: {} virtual functions are there, {} wants {}\n", address.str(), existing, order.by,
                       order.count);
    for (const auto& [group, want] : wanted.asked)
        fmt::print("group {}: bound only when it is asked for ({})\n", group, want.by);
    for (const auto& [group, want] : wanted.groups) {
        readOverrides(sysfs, topology, group);
        const auto found = forReader(inspect(sysfs, topology, group, want.action).blockers, getuid());
        fmt::print("{}", planGroup(group, want, topology, drivers, found).str());
    }
    return EXIT_SUCCESS;
}

} // namespace vfiobind
