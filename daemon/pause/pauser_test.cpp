// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pause/pauser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <optional>

namespace vfiobind::pauser_test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Answers at once.
class Machine final : public Units {
public:
    void look(const std::string& name, Looked looked) override {
        if (name == broken)
            return looked(std::unexpected(name + " does not answer"));
        looked(UnitStatus{.id = name, .runs = running.contains(name), .processes = running[name]});
    }
    void stop(const std::string& id, Done done) override {
        calls.push_back("stop " + id);
        running.erase(id);
        done({});
    }
    void start(const std::string& id, Done done) override {
        calls.push_back("start " + id);
        running[id] = {};
        done({});
    }

    std::map<std::string, std::set<unsigned>> running{{"gdm.service", {100, 101}}, {"nvidia.service", {200}}};
    std::string broken;
    std::vector<std::string> calls;
};

class PauserTest : public testing::Test {
protected:
    std::expected<bool, std::string> pause(Pauser::ByGroup units, std::set<unsigned> holders) {
        std::optional<std::expected<bool, std::string>> answer;
        pauser.pause(std::move(units), std::move(holders), [&](auto stopped) {
            EXPECT_FALSE(answer) << "answered twice";
            answer = std::move(stopped);
        });
        return answer.value_or(std::unexpected("no answer"));
    }

    Machine machine;
    Pauser pauser{machine, ""};
};

TEST_F(PauserTest, StopsUnitsThatHaveEveryHolderAndStartsThemInReverse) {
    EXPECT_EQ(pause({{1, {"gdm.service", "nvidia.service"}}}, {101, 200}), true);
    EXPECT_THAT(pauser.groups(), ElementsAre(1));
    pauser.resume(1);
    EXPECT_THAT(machine.calls, ElementsAre("stop gdm.service", "stop nvidia.service", "start nvidia.service",
                                           "start gdm.service"));
    EXPECT_THAT(pauser.groups(), IsEmpty());
}

TEST_F(PauserTest, StopsNothingForAHolderThatIsInNoUnit) {
    EXPECT_EQ(pause({{1, {"gdm.service"}}}, {101, 300}), false);
    EXPECT_THAT(machine.calls, IsEmpty());
    EXPECT_THAT(pauser.groups(), IsEmpty());
}

/// A driver can hold its device without an opener.
TEST_F(PauserTest, StopsUnitsWhereNobodyHoldsTheDevice) {
    EXPECT_EQ(pause({{1, {"nvidia.service"}}}, {}), true);
    EXPECT_THAT(machine.calls, ElementsAre("stop nvidia.service"));
}

TEST_F(PauserTest, AUnitOfTwoGroupsRunsAgainAfterTheSecond) {
    EXPECT_EQ(pause({{1, {"gdm.service"}}, {2, {"gdm.service"}}}, {100}), true);
    pauser.resume(1);
    EXPECT_THAT(machine.calls, ElementsAre("stop gdm.service"));
    pauser.resume(2);
    EXPECT_THAT(machine.calls, ElementsAre("stop gdm.service", "start gdm.service"));
}

TEST_F(PauserTest, AUnitThatCannotBeLookedAtIsAnError) {
    machine.broken = "gdm.service";
    const auto answer = pause({{1, {"gdm.service"}}}, {100});
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error(), "gdm.service does not answer");
    EXPECT_THAT(machine.calls, IsEmpty());
}

} // namespace
} // namespace vfiobind::pauser_test
