// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs in the guest: guard_clock ADDRESS... prints for each device's group how long the guards take against
// the bind of the group, which is done and undone: `0000:01:00.0 guards-us bind-us`, medians of several
// rounds.
#include "guard/guard.h"
#include "guard/look.h"
#include "plan/plan.h"
#include "sysfs/real_sysfs.h"
#include "transaction/journal.h"
#include "transaction/transaction.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace vfiobind {
namespace {

constexpr int rounds = 5;

long timed(const std::function<void()>& what) {
    const auto begun = std::chrono::steady_clock::now();
    what();
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begun)
        .count();
}

long median(std::vector<long> times) {
    std::ranges::sort(times);
    return times[times.size() / 2];
}

GroupPlan planFor(const Sysfs& sysfs, unsigned group, Action action) {
    auto topology = Topology::read(sysfs).value();
    for (const auto* device : topology.endpoints(group)) {
        const auto address = device->address;
        topology.setOverride(address, readDriverOverride(sysfs, address).value());
    }
    return planGroup(group, {.action = action, .by = "guard_clock"}, topology, readDrivers(sysfs).value());
}

void carryOutOrThrow(Sysfs& sysfs, const GroupPlan& plan, JournalStore& journals) {
    const TransactionHooks hooks{
        .before = [](const Step&) {},
        .after = [](const Step&, const SysResult<void>&) {},
        .pause = [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }};
    if (const auto outcome = carryOut(sysfs, plan, journals, hooks); outcome.str() != "done")
        throw std::runtime_error(outcome.str());
}

/// What hangs on the device for the guards to look at: disks and nodes.
std::size_t thingsBelow(const Sysfs& sysfs, const Address& address) {
    std::size_t count = 0;
    for (const auto* classDirectory : {"block", "drm", "graphics", "sound"})
        count += classEntriesBelow(sysfs, classDirectory, address).value().size();
    return count;
}

/// A driver that is back has its disks back a little later, and guards with nothing to look at are quick.
/// What udev then runs over the disks is over, too: it would be measured with the guards.
void waitFor(const Sysfs& sysfs, const Address& address, std::size_t things) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    do {
        if (std::chrono::steady_clock::now() > end)
            throw std::runtime_error(address.str() + " did not get its disks or nodes back in a minute");
        if (std::system("udevadm settle") != 0)
            throw std::runtime_error("udevadm settle failed");
    } while (thingsBelow(sysfs, address) < things);
}

void measure(Sysfs& sysfs, const Address& address, JournalStore& journals) {
    const auto topology = Topology::read(sysfs).value();
    const auto* device = topology.find(address);
    if (device == nullptr || !device->group)
        throw std::runtime_error(address.str() + " is not there, or in no group");
    const auto group = *device->group;
    const auto things = thingsBelow(sysfs, address);
    std::vector<long> guards;
    std::vector<long> binds;
    for (int i = 0; i < rounds; ++i) {
        Inspection found;
        guards.push_back(timed([&] { found = inspect(sysfs, topology, group, Action::bind); }));
        const auto plan = planFor(sysfs, group, Action::bind);
        binds.push_back(timed([&] { carryOutOrThrow(sysfs, plan, journals); }));
        carryOutOrThrow(sysfs, planFor(sysfs, group, Action::release), journals);
        waitFor(sysfs, address, things);
    }
    fmt::print("{} {} {}\n", address.str(), median(guards), median(binds));
}

} // namespace
} // namespace vfiobind

int main(int argc, char** argv) {
    using namespace vfiobind;
    try {
        RealSysfs sysfs;
        MemoryJournalStore journals;
        for (int i = 1; i < argc; ++i)
            measure(sysfs, Address::parse(argv[i]).value(), journals);
    } catch (const std::exception& error) {
        fmt::print(stderr, "guard_clock: {}\n", error.what());
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
