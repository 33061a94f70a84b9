// SPDX-License-Identifier: LGPL-2.1-or-later
// Checks that several ask for at once, and answers that cannot be given.
#include "core_fixture.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace vfiobind::daemon_checks_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DaemonChecks : public CoreTest {
protected:
    DaemonChecks() {
        configure("");
        begin();
    }
    void check(const std::string& name, uid_t uid = 1000, unsigned group = 1) {
        core_->check({.groups = {group}}, {}, {.uid = uid, .by = name}, [this, name](const auto& result) {
            answered_.push_back(name);
            if (!result)
                throw std::logic_error("a Check was refused: " + result.error().sentence);
            if (name == "whose answer cannot be sent")
                throw std::runtime_error("the connection is gone");
        });
    }
    std::vector<std::string> answered_;
};

TEST_F(DaemonChecks, OneLookAnswersAllWhoAskForTheSame) {
    const auto before = executor_.looks;
    check("one");
    check("another", 1001);
    comeToRest();
    EXPECT_THAT(answered_, ElementsAre("one", "another"));
    EXPECT_EQ(executor_.looks - before, 1U);
}

TEST_F(DaemonChecks, AnAnswerThatCannotBeSentLosesNoOther) {
    check("first");
    check("whose answer cannot be sent");
    check("last", 1001);
    comeToRest();
    EXPECT_THAT(answered_, ElementsAre("first", "whose answer cannot be sent", "last"));
    check("later");
    while (answered_.back() != "later") // looks have rests between them
        ASSERT_GE(sd_event_run(loop_.raw(), UINT64_MAX), 0);
}

TEST_F(DaemonChecks, OneUserHasEightUnansweredAndIsThenRefused) {
    const Asker asker{.uid = 1000, .by = "uid 1000 (:1.7)"};
    for (int i = 0; i < 8; ++i) {
        EXPECT_FALSE(core_->checkRefusal(asker));
        check("mine");
    }
    const auto refusal = core_->checkRefusal(asker);
    ASSERT_TRUE(refusal);
    EXPECT_THAT(refusal->sentence, HasSubstr("8 Checks of uid 1000 (:1.7) are not answered yet"));
    EXPECT_FALSE(core_->checkRefusal({.uid = 1001, .by = "another"}));
    comeToRest();
    EXPECT_EQ(answered_.size(), 8U);
    EXPECT_FALSE(core_->checkRefusal(asker));
}

} // namespace
} // namespace vfiobind::daemon_checks_test
