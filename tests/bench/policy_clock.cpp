// SPDX-License-Identifier: LGPL-2.1-or-later
// How the time of what the daemon does with a policy grows with it.
//
//     policy-clock       prints {"WHAT": {"once": NS, "twice": NS}, ...}: the processor's time of so much
//     work, and of
//                        twice as much; the best of several rounds, in turns
#include "config/config.h"
#include "plan/policy_index.h"
#include "plan/wanted.h"
#include "rules/override_rules.h"
#include "rules/udev_rules.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <fmt/format.h>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace vfiobind;

constexpr unsigned clockRounds = 5;
constexpr unsigned functionsOfACard = 2;

Address addressOf(unsigned number) {
    return {.domain = number >> 16,
            .bus = static_cast<std::uint8_t>(number >> 8),
            .device = static_cast<std::uint8_t>(number >> 3 & 0x1f),
            .function = static_cast<std::uint8_t>(number & 7)};
}

/// Groups of two functions each.
Topology machineOf(unsigned groups) {
    std::vector<Device> devices;
    for (unsigned i = 0; i < groups * functionsOfACard; ++i) {
        Device device;
        device.address = addressOf(i);
        device.ids = {.vendor = 0x8086, .device = static_cast<std::uint16_t>(i), .classCode = 0x020000};
        device.path = fmt::format("0000:00/{:04x}", i);
        device.group = i / functionsOfACard;
        devices.push_back(std::move(device));
    }
    return Topology::of(std::move(devices));
}

/// Rules of so many selectors each, each of another function.
std::string rulesText(unsigned rules, unsigned each) {
    std::string text;
    for (unsigned r = 0; r < rules; ++r) {
        text += fmt::format("[[bind]]\nname = \"r{}\"\ndevices = [\n", r);
        for (unsigned i = r * each; i < (r + 1) * each; ++i)
            text += fmt::format("{{ address = \"{}\", id = \"8086:{:04x}\" }},\n", addressOf(i).str(),
                                i & 0xffff);
        text += "]\n";
    }
    return text;
}

Policy policyOf(const std::string& text) {
    auto policy = parsePolicy({{"f.toml", text}});
    if (!policy)
        throw std::runtime_error(str(policy.error()));
    return std::move(*policy);
}

std::int64_t cpuNow() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::int64_t timeOf(const std::function<void()>& work) {
    const auto began = cpuNow();
    work();
    return cpuNow() - began;
}

struct Measured {
    const char* what;
    std::function<std::function<void()>(unsigned)> work; ///< of so much, prepared
    unsigned amount;
};

void keep(bool seen) {
    if (!seen)
        throw std::runtime_error("nothing was found: what is measured is not what is meant");
}

std::function<void()> selectorsRead(unsigned amount) {
    return [text = rulesText(10, amount / 10)] { keep(policyOf(text).rules.size() == 10); };
}

/// What a hotplug or a reload costs: the rules anew on all groups.
std::function<void()> rulesResolved(unsigned amount) {
    return [policy = policyOf(rulesText(amount, functionsOfACard)), machine = machineOf(amount)] {
        keep(contradictions(policy, machine).empty());
        keep(resolve(policy, machine).groups.size() == policy.rules.size());
    };
}

std::function<void()> groupsResolved(unsigned amount) {
    return [policy = policyOf(rulesText(16, amount * functionsOfACard / 16)), machine = machineOf(amount)] {
        keep(resolve(policy, machine).groups.size() == machine.groups().size());
    };
}

/// Every function tells something.
std::function<void()> eventsHeard(unsigned amount) {
    return [index = PolicyIndex(policyOf(rulesText(10, amount))), machine = machineOf(amount)] {
        for (const auto& [address, device] : machine.devices())
            keep(index.concerns(machine, device));
    };
}

std::function<void()> udevRulesWritten(unsigned amount) {
    return [policy = policyOf(rulesText(amount, functionsOfACard))] {
        keep(!udevRules(overrideRules(policy, {}, {}, [](const Ids&) { return "vfio-pci"; }).rules).empty());
    };
}

} // namespace

int main() {
    const std::vector<Measured> all{{"60000 selectors: read", selectorsRead, 30000},
                                    {"1000 rules: resolved", rulesResolved, 500},
                                    {"4096 groups: resolved", groupsResolved, 2048},
                                    {"4096 groups: an event of each function", eventsHeard, 2048},
                                    {"1000 rules: udev's file", udevRulesWritten, 500}};
    std::string text;
    for (const auto& measured : all) {
        const auto once = measured.work(measured.amount);
        const auto twice = measured.work(2 * measured.amount);
        auto bestOnce = std::numeric_limits<std::int64_t>::max();
        auto bestTwice = bestOnce;
        for (unsigned round = 0; round < clockRounds; ++round) {
            bestOnce = std::min(bestOnce, timeOf(once));
            bestTwice = std::min(bestTwice, timeOf(twice));
        }
        text += fmt::format("{}\"{}\": {{\"once\": {}, \"twice\": {}}}", text.empty() ? "" : ", ",
                            measured.what, bestOnce, bestTwice);
    }
    fmt::print("{{{}}}\n", text);
    return 0;
}
