// SPDX-License-Identifier: LGPL-2.1-or-later
// Workers that die one after another, and journals that cannot be read.
#include "fixture.h"

#include <filesystem>

namespace vfiobind::bustest::death_test {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::string lan = "[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n";

class DeathTest : public BusTest {
protected:
    std::string journal() const { return stateFolder() + "/journal/3.json"; }
    void leaveJournal(const std::string& text) const {
        std::filesystem::create_directories(stateFolder() + "/journal");
        writeFile(journal(), text);
    }
};

TEST_F(DeathTest, AfterThreeWorkersThatDiedNothingIsTriedUntilSomebodyAsks) {
    start();
    configure(lan);
    tell("dying-workers 3");
    client().manager().Reload();
    client().waitForState(3, "partial");
    EXPECT_THAT(client().group(3, "LastError").get<std::string>(), HasSubstr("3 workers have died"));
    EXPECT_EQ(driverOf(nic), "e1000e");
    client().manager().Reload();
    client().waitForState(3, "bound");
    EXPECT_EQ(client().group(3, "LastError"), "");
}

/// A worker that is killed again and again, by the kernel for want of memory say, is not forked without end.
TEST_F(DeathTest, AHundredWorkersThatDieWhileTheyLookAreAHundredAnswers) {
    start();
    tell("dying-workers 100");
    for (int i = 0; i < 97; ++i)
        EXPECT_THAT(refusalOf([&] { client().bind(nic); }).message, HasSubstr("did not finish"));
    EXPECT_EQ(tell("looks"), 97) << "each was tried once";
    EXPECT_EQ(client().group(3, "State"), "native");
    configure(lan);
    client().manager().Reload();
    client().waitForState(3, "partial");
    EXPECT_EQ(tell("looks"), 100);
    EXPECT_EQ(driverOf(nic), "e1000e");
    EXPECT_THAT(client().bindAndWait(nic), testing::ElementsAre("done"));
}

TEST_F(DeathTest, OneWorkerThatDiesIsReplacedAfterAPause) {
    start();
    configure(lan);
    tell("dying-workers 1");
    client().manager().Reload();
    client().waitForState(3, "bound");
}

TEST_F(DeathTest, ACallWhoseWorkerDiesIsRefusedAndTheNextIsNot) {
    start();
    tell("dying-workers 1");
    EXPECT_THAT(refusalOf([&] { client().bind(nic); }).message, HasSubstr("did not finish"));
    EXPECT_THAT(client().bindAndWait(nic), testing::ElementsAre("done"));
}

TEST_F(DeathTest, AJournalThatCannotBeReadIsKeptAndTold) {
    leaveJournal("{ half a journal");
    start();
    EXPECT_THAT(client().root("Warnings").get<std::vector<std::string>>(),
                Contains(HasSubstr("kept as " + journal() + ".unreadable")));
    EXPECT_THAT(client().bindAndWait(nic), testing::ElementsAre("done"));
    EXPECT_EQ(readFile(journal() + ".unreadable"), "{ half a journal");
}

} // namespace
} // namespace vfiobind::bustest::death_test
