// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transaction/journal.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <sys/file.h>
#include <unistd.h>

namespace vfiobind::journal_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Journal sample() {
    Journal journal{.group = 22, .action = Action::release, .rule = "guest-gpu", .by = "uid 0"};
    stampWithThisProcess(journal);
    journal.members.push_back({.device = {.bus = 1},
                               .ids = {.vendor = 0x10de, .device = 0x1284, .classCode = 0x030000},
                               .driver = "vfio-pci",
                               .vfio = true,
                               .override = "vfio-pci",
                               .toDriver = "nouveau",
                               .driverExpected = false});
    journal.steps.push_back({"unbind 0000:01:00.0 vfio-pci", "begun"});
    journal.dynamicIds.emplace_back("vfio-pci", "10de 1284");
    journal.alreadyThere.push_back({.bus = 2});
    journal.consoles.push_back("vtcon1");
    return journal;
}

class JournalFiles : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "journal-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string folder_;
};

TEST_F(JournalFiles, NotesOfConsolesOutliveTheJournal) {
    FileJournalStore first(folder_);
    EXPECT_TRUE(first.consoles(22).value().empty());
    ASSERT_TRUE(first.saveConsoles(22, {"vtcon1", "vtcon2"}));
    ASSERT_TRUE(first.save(sample()));
    ASSERT_TRUE(first.remove(22));
    FileJournalStore second(folder_);
    EXPECT_EQ(second.consoles(22).value(), (std::vector<std::string>{"vtcon1", "vtcon2"}));
    EXPECT_TRUE(second.load().errors.empty());
    ASSERT_TRUE(second.saveConsoles(22, {}));
    EXPECT_TRUE(first.consoles(22).value().empty());
}

TEST_F(JournalFiles, ANoteOfWhatIsNoConsoleIsAnError) {
    ASSERT_TRUE(writeFileAtomically(folder_ + "/consoles/22", "vtcon1\n../vtcon2\n", 0600));
    const auto read = FileJournalStore(folder_).consoles(22);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, EBADMSG);
    EXPECT_EQ(read.error().path, folder_ + "/consoles/22");
}

TEST(JournalText, RoundTrip) {
    const auto journal = sample();
    EXPECT_EQ(Journal::fromJson(journal.toJson()).value(), journal);
}

TEST(JournalText, NumbersThatDoNotFitAreRefused) {
    const auto text = sample().toJson();
    const auto with = [&](const std::string& key, const std::string& number) {
        const auto at = text.find(fmt::format("\"{}\": ", key));
        const auto begin = text.find(' ', at + 1) + 1;
        auto changed = text;
        return Journal::fromJson(changed.replace(begin, text.find_first_of(",\n", begin) - begin, number));
    };
    ASSERT_TRUE(with("group", "23"));
    EXPECT_EQ(with("group", "23")->group, 23u);
    for (const auto& [key, number] : std::map<std::string, std::string>{{"group", "4294967296"},
                                                                        {"pid", "99999999999"},
                                                                        {"pid-start-time", "9.87e67"},
                                                                        {"started-usec", "-1"}}) {
        const auto journal = with(key, number);
        ASSERT_FALSE(journal) << key;
        EXPECT_THAT(journal.error(), HasSubstr(fmt::format("'{}' is ", key)));
        EXPECT_THAT(journal.error(), HasSubstr("it is a whole number from "));
    }
}

TEST(JournalText, WhatIsNoJournalIsRefusedWithASentence) {
    auto withPath = sample();
    withPath.members[0].driver = "../../../etc";
    for (const std::string& text : {std::string(), std::string("{}"), std::string("[1,2]"),
                                    sample().toJson().substr(0, 100), withPath.toJson()}) {
        const auto parsed = Journal::fromJson(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error(), HasSubstr("is no journal of a transaction"));
    }
}

TEST(JournalText, StampsThisProcess) {
    const auto journal = sample();
    EXPECT_EQ(journal.pid, getpid());
    EXPECT_NE(journal.pidStartTime, 0U);
    EXPECT_EQ(processStartTime(getpid()), journal.pidStartTime);
    EXPECT_EQ(processStartTime(0x7fffffff), 0U);
}

TEST_F(JournalFiles, SavedLoadedRemoved) {
    FileJournalStore store(folder_);
    EXPECT_THAT(store.load().journals, IsEmpty());
    ASSERT_TRUE(store.save(sample()));
    const auto journal = sample();
    ASSERT_TRUE(store.save(journal));
    EXPECT_THAT(store.load().journals, testing::ElementsAre(journal));
    EXPECT_EQ(store.load(22), journal);
    EXPECT_EQ(store.load(23), std::nullopt);
    ASSERT_TRUE(store.remove(22));
    ASSERT_TRUE(store.remove(22)); // gone is gone
    EXPECT_THAT(store.load().journals, IsEmpty());
}

TEST_F(JournalFiles, ABrokenFileIsToldAndKeptAside) {
    FileJournalStore store(folder_);
    std::filesystem::create_directory(folder_ + "/journal");
    std::ofstream(folder_ + "/journal/7.json") << "{ broken";
    std::ofstream(folder_ + "/journal/8.json.new") << "half written";
    const auto loaded = store.load();
    EXPECT_THAT(loaded.journals, IsEmpty());
    EXPECT_EQ(store.load(7), std::nullopt);
    ASSERT_EQ(loaded.errors.size(), 1U);
    EXPECT_THAT(loaded.errors[0], HasSubstr(folder_ + "/journal/7.json is no journal"));
    EXPECT_THAT(loaded.errors[0], HasSubstr("it is kept as " + folder_ + "/journal/7.json.unreadable"));
    EXPECT_TRUE(std::filesystem::exists(folder_ + "/journal/7.json.unreadable"));
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/journal/7.json")) << "the next save would replace it";
}

// case 38: a worker that outlived its daemon keeps the next one's out
TEST_F(JournalFiles, ALockKeepsOtherProcessesOutUntilItIsGone) {
    const auto lock = lockGroup(folder_ + "/lock", 7);
    ASSERT_TRUE(lock) << lock.error().str();
    const int other = open((folder_ + "/lock/7.lock").c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_NE(flock(other, LOCK_EX | LOCK_NB), 0);
    EXPECT_EQ(errno, EWOULDBLOCK);
    const auto another = lockGroup(folder_ + "/lock", 8);
    EXPECT_TRUE(another);
    close(*lock);
    EXPECT_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
    close(other);
    close(*another);
}

TEST_F(JournalFiles, OneTransactionAtATimeUsesDynamicIds) {
    FileJournalStore one(folder_);
    FileJournalStore other(folder_);
    {
        const auto lock = one.tryLockDynamicIds();
        ASSERT_TRUE(lock) << lock.error().str();
        EXPECT_EQ(other.tryLockDynamicIds().error().code, EWOULDBLOCK);
    }
    EXPECT_TRUE(other.tryLockDynamicIds());
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/journal")) << "the lock is no journal";
    EXPECT_TRUE(std::filesystem::exists(folder_ + "/lock/dynamic-ids.lock"));
}

TEST_F(JournalFiles, ADeviceInNoGroupHasALockOfItsOwn) {
    const Address device{.bus = 4};
    const auto groups = lockForDevice(folder_ + "/lock", device, 7);
    ASSERT_TRUE(groups) << groups.error().str();
    EXPECT_EQ(tryLockGroup(folder_ + "/lock", 7).error().code, EWOULDBLOCK);
    const auto own = lockForDevice(folder_ + "/lock", device, std::nullopt);
    ASSERT_TRUE(own) << own.error().str();
    EXPECT_TRUE(std::filesystem::exists(folder_ + "/lock/0000:04:00.0.lock"));
    const auto ofGroup0 = tryLockGroup(folder_ + "/lock", 0);
    EXPECT_TRUE(ofGroup0) << "that of group 0 is another";
    close(*groups);
    close(*own);
    close(*ofGroup0);
}

// case 69
TEST_F(JournalFiles, AnUnwritablePlaceIsAnErrorWithItsPath) {
    std::ofstream(folder_ + "/file") << "no directory";
    FileJournalStore store(folder_ + "/file");
    const auto saved = store.save(sample());
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, ENOTDIR);
    EXPECT_THAT(saved.error().path, HasSubstr(folder_ + "/file"));
}

} // namespace
} // namespace vfiobind::journal_test
