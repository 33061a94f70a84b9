// SPDX-License-Identifier: LGPL-2.1-or-later
// Every scenario without a fault: ends as wanted, in the order that design.md decided, and is done only once.
#include "fake/scenarios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::scenario_transaction_test {
namespace {

class ScenarioTest : public testing::TestWithParam<Scenario> {};

TEST_P(ScenarioTest, EndsAsWanted) {
    const auto& scenario = GetParam();
    auto kernel = scenario.machine();
    const auto before = kernel.state();
    MemoryJournalStore journals;
    const auto outcome = carryOut(scenario, kernel, journals);
    EXPECT_EQ(outcome.str(), "done");
    EXPECT_TRUE(journals.journals.empty());
    const auto after = kernel.state();
    for (const auto& [address, driver] : scenario.end)
        EXPECT_EQ(kernel.driverOf(address), driver) << address;
    for (const auto& [key, value] : after)
        if (!scenario.end.contains(key)) {
            EXPECT_EQ(value, before.at(key)) << key << ": nobody asked for this";
        }
    EXPECT_EQ(after.size(), before.size());
    if (scenario.wanted.action == Action::bind) {
        EXPECT_TRUE(kernel.groupViable(scenario.group));
    }
}

TEST_P(ScenarioTest, ASecondTimeWritesNothing) { // cases 16, 39
    const auto& scenario = GetParam();
    auto kernel = scenario.machine();
    MemoryJournalStore journals;
    ASSERT_EQ(carryOut(scenario, kernel, journals).result, Outcome::Result::done);
    kernel.clearWrites();
    EXPECT_TRUE(planOf(scenario, kernel).nothingToDo()) << planOf(scenario, kernel).str();
    EXPECT_EQ(carryOut(scenario, kernel, journals).str(), "done");
    EXPECT_THAT(kernel.writes(), testing::IsEmpty());
}

/// All overrides before the first unbind: a driver that is loaded meanwhile finds none of them free.
TEST_P(ScenarioTest, OverridesComeFirst) {
    const auto& scenario = GetParam();
    auto kernel = scenario.machine();
    MemoryJournalStore journals;
    ASSERT_EQ(carryOut(scenario, kernel, journals).result, Outcome::Result::done);
    bool unbound = false;
    bool bound = false;
    for (const auto& write : kernel.writes()) {
        const auto file = std::string(baseName(write.path));
        EXPECT_EQ(write.result, 0) << write.str();
        if (file == "driver_override") {
            EXPECT_FALSE(unbound || bound) << write.str();
        }
        if (file == "unbind" && scenario.wanted.method == Method::driverOverride) {
            EXPECT_FALSE(bound) << write.str();
            unbound = true;
        }
        bound = bound || file == "bind" || file == "drivers_probe";
    }
}

INSTANTIATE_TEST_SUITE_P(All, ScenarioTest, testing::ValuesIn(scenarios()));

} // namespace
} // namespace vfiobind::scenario_transaction_test
