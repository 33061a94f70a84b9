// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/selector_index.h"

#include "config/config.h"
#include "plan/wanted.h"
#include "rules/override_rules.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace vfiobind::selector_index_test {
namespace {

/// One of few values for each key, so that many selectors have to do with each other.
Selector someSelector(std::mt19937& random) {
    const auto pick = [&](unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random); };
    Selector selector;
    while (selector == Selector{}) {
        if (pick(2) == 0)
            selector.address = Address{.bus = static_cast<std::uint8_t>(pick(2))};
        if (pick(2) == 0)
            selector.path = fmt::format("0000:00/{:02x}.0", pick(2));
        if (pick(2) == 0)
            selector.serial = fmt::format("00-00-00-00-00-00-00-{:02x}", pick(2));
        if (pick(1) == 0) {
            IdPattern id;
            if (pick(2) != 0)
                id.vendor = static_cast<std::uint16_t>(pick(1));
            if (pick(2) != 0)
                id.device = static_cast<std::uint16_t>(pick(1));
            if (pick(2) == 0)
                id.classValue = static_cast<std::uint16_t>(pick(1) << 8);
            selector.id = id == IdPattern{} ? std::nullopt : std::optional(id);
        }
        if (pick(2) == 0)
            selector.subsystem =
                SubsystemPattern{.vendor = static_cast<std::uint16_t>(pick(1)),
                                 .device = pick(1) == 0 ? std::nullopt : std::optional<std::uint16_t>(1)};
    }
    return selector;
}

DeviceFacts someDevice(std::mt19937& random, std::string& path, std::string& serial) {
    const auto pick = [&](unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random); };
    path = fmt::format("0000:00/{:02x}.0", pick(2));
    serial = pick(2) == 0 ? "" : fmt::format("00-00-00-00-00-00-00-{:02x}", pick(2));
    return {.address = {.bus = static_cast<std::uint8_t>(pick(2))},
            .ids = {.vendor = static_cast<std::uint16_t>(pick(1)),
                    .device = static_cast<std::uint16_t>(pick(1)),
                    .subsystemVendor = static_cast<std::uint16_t>(pick(1)),
                    .subsystemDevice = static_cast<std::uint16_t>(pick(1)),
                    .classCode = pick(1) << 16},
            .path = path,
            .serial = serial};
}

TEST(SelectorIndex, PassesNoneOverThatMatches) {
    std::mt19937 random(20);
    std::vector<Rule> rules(1);
    for (unsigned i = 0; i < 500; ++i)
        rules[0].devices.push_back(someSelector(random));
    const SelectorIndex index(rules);
    std::size_t matches = 0;
    for (unsigned i = 0; i < 200; ++i) {
        std::string path;
        std::string serial;
        const auto facts = someDevice(random, path, serial);
        std::set<std::size_t> visited;
        index.visit(facts, [&](SelectorPlace place) { visited.insert(place.selector); });
        for (std::size_t s = 0; s < rules[0].devices.size(); ++s)
            if (rules[0].devices[s].match(facts) != Match::no) {
                ++matches;
                EXPECT_TRUE(visited.contains(s)) << rules[0].devices[s].str();
            }
    }
    EXPECT_GT(matches, 500U);
}

TEST(SelectorIndex, PassesNoneOverThatCoversOrIsCovered) {
    std::mt19937 random(21);
    std::vector<Selector> selectors;
    SelectorIndex index;
    std::size_t related = 0;
    for (std::size_t i = 0; i < 500; ++i) {
        const auto selector = someSelector(random);
        std::set<std::size_t> visited;
        index.visitRelated(selector, [&](SelectorPlace place) { visited.insert(place.selector); });
        for (std::size_t s = 0; s < selectors.size(); ++s)
            if (selectors[s].covers(selector) || selector.covers(selectors[s])) {
                ++related;
                EXPECT_TRUE(visited.contains(s)) << selector.str() << " and " << selectors[s].str();
            }
        index.add({0, i}, selector);
        selectors.push_back(selector);
    }
    EXPECT_GT(related, 500U);
}

/// Rules of so many selectors each, addresses with ids.
std::string manySelectors(unsigned rules, unsigned each) {
    std::string text;
    unsigned at = 0;
    for (unsigned r = 0; r < rules; ++r) {
        text += fmt::format("[[bind]]\nname = \"r{}\"\ndevices = [\n", r);
        for (unsigned i = 0; i < each; ++i, ++at)
            text += fmt::format("{{ address = \"{:04x}:{:02x}:{:02x}.{}\", id = \"8086:{:04x}\" }},\n",
                                at >> 16, at >> 8 & 0xff, at >> 3 & 0x1f, at & 7, at & 0xffff);
        text += "]\n";
    }
    return text;
}

/// How many candidates are looked at for all selectors of the policy: what a comparison of each with each
/// would let grow with the square.
std::size_t candidates(const Policy& policy) {
    SelectorIndex index;
    std::size_t looks = 0;
    for (std::size_t r = 0; r < policy.rules.size(); ++r)
        for (std::size_t i = 0; i < policy.rules[r].devices.size(); ++i) {
            index.visitRelated(policy.rules[r].devices[i], [&](SelectorPlace) { ++looks; });
            index.add({r, i}, policy.rules[r].devices[i]);
        }
    return looks;
}

TEST(SelectorIndex, TwiceTheSelectorsAreTwiceTheLooks) {
    const auto few = parsePolicy({{"f", manySelectors(10, 100)}});
    const auto many = parsePolicy({{"f", manySelectors(10, 200)}});
    ASSERT_TRUE(few && many);
    EXPECT_LE(candidates(*many), 2 * candidates(*few) + 10);
    EXPECT_LE(candidates(*many), 10 * many->rules.size() * 200);
}

/// However many selectors there are.
TEST(SelectorIndex, ADeviceIsComparedWithTheSelectorsOfItsOwnAddress) {
    for (const unsigned each : {100U, 200U, 6000U}) {
        const auto policy = parsePolicy({{"f", manySelectors(10, each)}});
        ASSERT_TRUE(policy);
        const SelectorIndex index(policy->rules);
        const auto facts = DeviceFacts{.address = {.bus = 1}, .ids = {.vendor = 0x8086, .device = 0x0100}};
        std::size_t looks = 0;
        index.visit(facts, [&](SelectorPlace) { ++looks; });
        EXPECT_EQ(looks, 1U) << each;
    }
}

} // namespace
} // namespace vfiobind::selector_index_test
