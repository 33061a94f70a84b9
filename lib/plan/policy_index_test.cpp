// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plan/policy_index.h"

#include "plan/members.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <random>

namespace vfiobind::policy_index_test {
namespace {

class Chance {
public:
    explicit Chance(unsigned seed) : random_(seed) {}
    unsigned upTo(unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random_); }
    bool oneIn(unsigned times) { return upTo(times - 1) == 0; }

private:
    std::mt19937 random_;
};

/// One of few values for each key, so that many devices and selectors have to do with each other.
Selector someSelector(Chance& chance) {
    Selector selector;
    if (chance.oneIn(2))
        selector.address = Address{.bus = static_cast<std::uint8_t>(chance.upTo(5))};
    if (chance.oneIn(3))
        selector.serial = fmt::format("00-00-00-00-00-00-00-{:02x}", chance.upTo(2));
    if (chance.oneIn(2) || (!selector.address && !selector.serial))
        selector.id = IdPattern{.vendor = 0x8086, .device = static_cast<std::uint16_t>(chance.upTo(5))};
    return selector;
}

std::vector<Selector> someSelectors(Chance& chance) {
    std::vector<Selector> selectors(1 + chance.upTo(1));
    std::ranges::generate(selectors, [&] { return someSelector(chance); });
    return selectors;
}

Policy somePolicy(Chance& chance) {
    Policy policy;
    policy.rules.resize(chance.upTo(2));
    for (auto& rule : policy.rules) {
        rule.devices = someSelectors(chance);
        if (chance.oneIn(2))
            rule.members = someSelectors(chance);
    }
    return policy;
}

Topology someMachine(Chance& chance) {
    std::vector<Device> devices;
    for (unsigned bus = 0; bus < 6; ++bus) {
        Device device;
        device.address.bus = static_cast<std::uint8_t>(bus);
        device.ids = {.vendor = 0x8086, .device = static_cast<std::uint16_t>(chance.upTo(5))};
        device.path = fmt::format("0000:00/{:02x}.0", bus);
        if (chance.oneIn(2))
            device.serial = fmt::format("00-00-00-00-00-00-00-{:02x}", chance.upTo(2));
        if (!chance.oneIn(4))
            device.group = chance.upTo(2);
        if (bus > 0 && chance.oneIn(4))
            device.physicalFunction = Address{.bus = static_cast<std::uint8_t>(bus - 1)};
        devices.push_back(std::move(device));
    }
    return Topology::of(std::move(devices));
}

/// The same, by a comparison of each with each.
bool concernsOneOf(const Policy& policy, const Topology& machine, const Device& device) {
    const auto* physical = device.physicalFunction ? machine.find(*device.physicalFunction) : nullptr;
    const auto meets = [&](const Selector& selector) {
        return selector.match(device.facts()) != Match::no ||
               (physical != nullptr && selector.match(physical->facts()) != Match::no);
    };
    const auto names = [&](const Selector& selector) {
        auto anywhere = selector;
        anywhere.address.reset();
        return meets(selector) || ((selector.id || selector.serial) && meets(anywhere));
    };
    return std::ranges::any_of(policy.rules, [&](const Rule& rule) {
        if (std::ranges::any_of(rule.devices, names))
            return true;
        if (!rule.members || !device.group)
            return false;
        return std::ranges::any_of(machine.endpoints(*device.group), [&](const Device* other) {
            return other->address != device.address && isKnownMember(rule, *other);
        });
    });
}

TEST(PolicyIndex, FindsWhatAComparisonOfEachWithEachFinds) {
    Chance chance(2026);
    std::array<unsigned, 2> answers{};
    for (unsigned round = 0; round < 2000; ++round) {
        const auto policy = somePolicy(chance);
        const PolicyIndex index(policy);
        const auto machine = someMachine(chance);
        for (const auto& [address, device] : machine.devices()) {
            const bool wanted = concernsOneOf(policy, machine, device);
            ASSERT_EQ(index.concerns(machine, device), wanted) << "round " << round << ", " << address.str();
            ++answers.at(wanted ? 1 : 0);
        }
    }
    EXPECT_GT(answers[0], 1000U);
    EXPECT_GT(answers[1], 1000U);
}

} // namespace
} // namespace vfiobind::policy_index_test
