// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pause/paused_units.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace vfiobind::paused_units_test {
namespace {

/// Answers when it is told to.
class FakeUnits final : public Units {
public:
    void look(const std::string& name, Looked looked) override {
        const auto alias = aliases.find(name);
        const auto id = alias == aliases.end() ? name : alias->second;
        later_.push_back([this, id, looked = std::move(looked)] {
            if (broken == id)
                return looked(std::unexpected("no answer"));
            looked(UnitStatus{.id = id, .runs = running.contains(id), .processes = {}});
        });
    }
    void stop(const std::string& id, Done done) override {
        calls.push_back("stop " + id);
        if (onStop)
            onStop();
        running.erase(id);
        answer(id, std::move(done));
    }
    void start(const std::string& id, Done done) override {
        calls.push_back("start " + id);
        running.insert(id);
        answer(id, std::move(done));
    }
    bool turn() {
        if (later_.empty())
            return false;
        const auto first = later_.front();
        later_.pop_front();
        first();
        return true;
    }

    std::map<std::string, std::string> aliases{{"display-manager.service", "gdm.service"}};
    std::set<std::string> running{"gdm.service", "nvidia-persistenced.service"};
    std::string stubborn; ///< neither stops nor starts
    std::string broken;   ///< cannot be looked at
    std::vector<std::string> calls;
    std::function<void()> onStop;

private:
    void answer(const std::string& id, Done done) {
        later_.push_back([this, id, done = std::move(done)] {
            if (stubborn == id)
                return done(std::unexpected("the job timed out"));
            done({});
        });
    }
    std::deque<std::function<void()>> later_;
};

using testing::ElementsAre;

class Pausing : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "paused-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        start();
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string file() const { return folder_ + "/paused.json"; }
    void start() {
        paused_ = std::make_unique<PausedUnits>(units_, file());
        ASSERT_TRUE(paused_->load());
        settle();
    }
    void settle() {
        while (units_.turn())
            ;
    }
    using Result = std::expected<void, std::string>;
    Result pause(unsigned group, std::vector<std::string> units) {
        std::optional<Result> result;
        paused_->pause(group, std::move(units), [&result](Result got) { result = std::move(got); });
        settle();
        EXPECT_TRUE(result.has_value());
        return result.value_or(Result{});
    }
    void resume(unsigned group) {
        paused_->resume(group);
        settle();
    }

    std::string folder_;
    FakeUnits units_;
    std::unique_ptr<PausedUnits> paused_;
};

TEST_F(Pausing, StopsInOrderAndStartsInReverse) {
    ASSERT_TRUE(pause(1, {"display-manager.service", "nvidia-persistenced.service"}));
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "stop nvidia-persistenced.service"));
    EXPECT_THAT(paused_->of(1), ElementsAre("gdm.service", "nvidia-persistenced.service"));
    resume(1);
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "stop nvidia-persistenced.service",
                                          "start nvidia-persistenced.service", "start gdm.service"));
    EXPECT_TRUE(paused_->groups().empty());
    resume(1);
    EXPECT_EQ(units_.calls.size(), 4U);
}

TEST_F(Pausing, WhatDidNotRunStaysAsItIs) {
    units_.running.erase("gdm.service");
    ASSERT_TRUE(pause(1, {"gdm.service", "there-is-no-such.service"}));
    resume(1);
    EXPECT_TRUE(units_.calls.empty());
}

TEST_F(Pausing, AUnitStandsStillForAllItsGroups) {
    ASSERT_TRUE(pause(1, {"gdm.service"}));
    ASSERT_TRUE(pause(2, {"display-manager.service"}));
    resume(1);
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service"));
    EXPECT_EQ(paused_->groups(), (std::set<unsigned>{2}));
    resume(2);
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "start gdm.service"));
}

TEST_F(Pausing, IsWrittenDownBeforeAUnitIsStopped) {
    std::string content;
    units_.onStop = [&] {
        std::ifstream in(file());
        content.assign(std::istreambuf_iterator<char>(in), {});
    };
    ASSERT_TRUE(pause(7, {"gdm.service"}));
    EXPECT_EQ(content, "[{\"groups\":[7],\"unit\":\"gdm.service\"}]\n");
}

TEST_F(Pausing, OutlivesTheDaemon) {
    ASSERT_TRUE(pause(1, {"gdm.service"}));
    start();
    EXPECT_EQ(paused_->groups(), (std::set<unsigned>{1}));
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service"));
    resume(1);
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "start gdm.service"));
}

TEST_F(Pausing, TheNextDaemonStartsWhatThisOneWasAboutTo) {
    ASSERT_TRUE(pause(1, {"gdm.service"}));
    paused_->resume(1); // it dies before systemd's answer
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "start gdm.service"));
    FakeUnits others;
    PausedUnits next(others, file());
    ASSERT_TRUE(next.load());
    EXPECT_THAT(others.calls, ElementsAre("start gdm.service"));
    while (others.turn())
        ;
    EXPECT_TRUE(next.groups().empty());
}

TEST_F(Pausing, WhatDoesNotStopIsAnErrorAndIsStartedAgain) {
    units_.stubborn = "nvidia-persistenced.service";
    const auto result = pause(1, {"gdm.service", "nvidia-persistenced.service", "other.service"});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), "nvidia-persistenced.service does not stop: the job timed out");
    resume(1);
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "stop nvidia-persistenced.service",
                                          "start nvidia-persistenced.service", "start gdm.service"));
    EXPECT_TRUE(paused_->groups().empty());
}

TEST_F(Pausing, WhatCannotBeLookedAtIsAnError) {
    units_.broken = "gdm.service";
    const auto result = pause(1, {"gdm.service"});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), "gdm.service cannot be paused: no answer");
    EXPECT_TRUE(units_.calls.empty());
}

TEST_F(Pausing, OneAfterAnother) {
    bool done = false;
    paused_->pause(1, {"gdm.service"}, [](const Result&) {});
    paused_->resume(1);
    paused_->pause(2, {"gdm.service"}, [&done](const Result& result) { done = result.has_value(); });
    settle();
    EXPECT_TRUE(done);
    EXPECT_THAT(units_.calls, ElementsAre("stop gdm.service", "start gdm.service", "stop gdm.service"));
    EXPECT_EQ(paused_->groups(), (std::set<unsigned>{2}));
}

TEST_F(Pausing, WhatCannotBeWrittenDownIsNotStopped) {
    std::filesystem::remove_all(folder_);
    std::ofstream(folder_) << "no directory";
    const auto result = pause(1, {"gdm.service"});
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error(), testing::HasSubstr("gdm.service is not stopped, since that cannot be "
                                                   "written down: "));
    EXPECT_TRUE(units_.calls.empty());
    EXPECT_TRUE(paused_->groups().empty());
}

TEST_F(Pausing, AnUnreadableFileIsToldAndCountsAsEmpty) {
    std::ofstream(file()) << R"([{"unit": 7}])";
    PausedUnits paused(units_, file());
    const auto loaded = paused.load();
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error(), testing::HasSubstr(file() + " cannot be read"));
    EXPECT_TRUE(paused.groups().empty());
}

} // namespace
} // namespace vfiobind::paused_units_test
