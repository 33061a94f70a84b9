// SPDX-License-Identifier: LGPL-2.1-or-later
#include "intent/ledger.h"

#include "fake/machine.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace vfiobind::ledger_test {
namespace {

using namespace fakemachine;

class LedgerFile : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "ledger-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }
    std::string file() const { return folder_ + "/ledger.json"; }
    std::string folder_;
    FakeKernel kernel_ = machine();
    Topology topology_ = Topology::read(kernel_).value();
    Request release_{.action = Action::release, .by = "uid 0"};
    Owned owned_{.rule = "card", .native = {{*Address::parse(gpu), "nouveau"}, {*Address::parse(audio), ""}}};
};

TEST_F(LedgerFile, OutlivesTheDaemon) {
    Ledger first(file());
    ASSERT_TRUE(first.setRequests(topology_, {{3, release_}}));
    ASSERT_TRUE(first.setOwned(1, topology_, owned_));
    Ledger second(file());
    ASSERT_TRUE(second.load());
    EXPECT_EQ(second.entries(), first.entries());
    EXPECT_EQ(second.find(3)->request, release_);
    EXPECT_EQ(second.find(1)->owned, owned_);
}

TEST_F(LedgerFile, TheFileFollowsEveryChange) {
    Ledger ledger(file());
    const auto asRead = [this] {
        Ledger other(file());
        EXPECT_TRUE(other.load());
        return other.entries();
    };
    ASSERT_TRUE(ledger.setRequests(topology_, {{3, release_}, {1, Request{.by = "uid 7"}}}));
    EXPECT_EQ(ledger.entries().size(), 2U);
    EXPECT_EQ(asRead(), ledger.entries());
    ASSERT_TRUE(ledger.setRequests(topology_, {{3, Request{.by = "uid 8"}}}));
    EXPECT_EQ(asRead(), ledger.entries());
    kernel_.unplug(audio);
    ledger.prune(Topology::read(kernel_).value());
    ASSERT_TRUE(ledger.setOwned(3, topology_, owned_));
    EXPECT_EQ(asRead(), ledger.entries());
    ASSERT_TRUE(ledger.setOwned(3, topology_, std::nullopt));
    ASSERT_TRUE(ledger.setRequests(topology_, {{3, std::nullopt}, {1, std::nullopt}}));
    EXPECT_TRUE(asRead().empty());
}

TEST_F(LedgerFile, EntriesGoWhenNothingIsLeftInThem) {
    Ledger ledger(file());
    ASSERT_TRUE(ledger.setRequests(topology_, {{3, release_}}));
    ASSERT_TRUE(ledger.setRequests(topology_, {{3, std::nullopt}}));
    EXPECT_EQ(ledger.find(3), nullptr);
}

/// The caller is told that nothing is done: then nothing may be remembered.
TEST_F(LedgerFile, WhatCannotBeWrittenIsNotRemembered) {
    Ledger ledger(file() + "/under/a/file");
    std::ofstream(file()) << "{}";
    EXPECT_FALSE(ledger.setRequests(topology_, {{3, release_}}));
    EXPECT_FALSE(ledger.setOwned(1, topology_, owned_));
    EXPECT_TRUE(ledger.entries().empty());
}

TEST_F(LedgerFile, AReloadDropsReleasesOnly) {
    Ledger ledger(file());
    ASSERT_TRUE(ledger.setRequests(topology_, {{3, release_}}));
    ASSERT_TRUE(ledger.setRequests(topology_, {{1, Request{.by = "uid 0"}}}));
    ASSERT_TRUE(ledger.dropReleases());
    EXPECT_EQ(ledger.find(3), nullptr);
    EXPECT_NE(ledger.find(1), nullptr);
}

// case 14
TEST_F(LedgerFile, AnotherCardUnderTheNumberIsNotTheSameGroup) {
    Ledger ledger(file());
    ASSERT_TRUE(ledger.setOwned(3, topology_, Owned{}));
    kernel_.unplug(nic);
    kernel_.hotplug({.address = nic, .ids = "8086:1533", .classCode = 0x020000, .group = 3});
    ledger.prune(Topology::read(kernel_).value());
    EXPECT_EQ(ledger.find(3), nullptr);
}

TEST_F(LedgerFile, AnUnreadableFileIsToldAndCountsAsEmpty) {
    std::ofstream(file()) << "{ \"1\": 7";
    Ledger ledger(file());
    const auto loaded = ledger.load();
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error(), testing::HasSubstr(file() + " cannot be read"));
    EXPECT_TRUE(ledger.entries().empty());
}

TEST_F(LedgerFile, NoFileIsAnEmptyLedger) {
    Ledger ledger(file());
    EXPECT_TRUE(ledger.load());
    EXPECT_TRUE(ledger.entries().empty());
}

// case 69
TEST_F(LedgerFile, AnUnwritablePlaceIsAnError) {
    Ledger ledger(folder_ + "/file/ledger.json");
    std::ofstream(folder_ + "/file") << "no directory";
    const auto saved = ledger.setRequests(topology_, {{3, release_}});
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().code, ENOTDIR);
}

} // namespace
} // namespace vfiobind::ledger_test
