// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lease_book.h"

#include "fake/fake_lease_store.h"
#include "fake/machine.h"
#include "lease/lease_pipe.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

namespace vfiobind::lease_book_test {
namespace {

using namespace fakemachine;

class Leases : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "leases-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
        start();
    }
    void TearDown() override {
        book_.reset();
        std::filesystem::remove_all(folder_);
    }
    std::string file() const { return folder_ + "/leases.json"; }
    /// Another daemon takes the place of the first, which died.
    void start(LeaseLimits limits = {}) {
        book_.reset();
        ended_.clear();
        book_ = std::make_unique<LeaseBook>(loop_, store_, file(), limits);
        book_->onEnded([this](unsigned group, bool last) { ended_.emplace_back(group, last); });
        ASSERT_TRUE(book_->load());
    }
    LeasedGroup group(unsigned number) const {
        LeasedGroup made{.request = {.by = "uid 7"}};
        for (const auto* device : topology_.endpoints(number))
            made.members[device->address] = device->ids;
        return made;
    }
    std::optional<Descriptor> grant(const std::set<unsigned>& numbers, uid_t uid = 7,
                                    const std::string& what = "VM") {
        std::map<unsigned, LeasedGroup> groups;
        for (const auto number : numbers)
            groups.emplace(number, group(number));
        std::optional<Descriptor> lease;
        book_->grant(uid, what, groups, [&lease](SysResult<Descriptor> granted) {
            if (granted)
                lease.emplace(std::move(*granted));
        });
        return lease;
    }
    /// Handles what is there, without waiting; whether there was anything.
    bool turn() {
        const int handled = sd_event_run(loop_.raw(), 0);
        EXPECT_GE(handled, 0);
        return handled > 0;
    }
    void turnAll() {
        while (turn())
            ;
    }

    using Ends = std::vector<std::pair<unsigned, bool>>;
    std::string folder_;
    FakeKernel kernel_ = machine();
    Topology topology_ = Topology::read(kernel_).value();
    EventLoop loop_;
    FakeLeaseStore store_;
    std::unique_ptr<LeaseBook> book_;
    Ends ended_;
};

TEST_F(Leases, EndWithTheLastCopyOfTheDescriptor) {
    auto lease = grant({1});
    ASSERT_TRUE(lease);
    std::optional<Descriptor> copy(dup(lease->get()));
    EXPECT_TRUE(book_->isLeased(1));
    EXPECT_EQ(store_.size(), 1U);
    lease.reset();
    turnAll();
    EXPECT_TRUE(book_->isLeased(1));
    copy.reset();
    turnAll();
    EXPECT_FALSE(book_->isLeased(1));
    EXPECT_EQ(ended_, (Ends{{1, true}}));
    EXPECT_EQ(store_.size(), 0U);
}

TEST_F(Leases, AreInheritedByProcesses) {
    auto lease = grant({1});
    std::array<int, 2> word{};
    ASSERT_EQ(pipe(word.data()), 0);
    const int child = fork();
    if (child == 0) {
        char byte = 0;
        close(word[1]);
        _exit(read(word[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(word[0]);
    lease.reset();
    turnAll();
    EXPECT_TRUE(book_->isLeased(1));
    close(word[1]);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    turnAll();
    EXPECT_FALSE(book_->isLeased(1));
}

TEST_F(Leases, WhatIsWrittenWakesNobody) {
    const auto lease = grant({1});
    turnAll();
    EXPECT_EQ(write(lease->get(), "hello", 5), 5);
    EXPECT_FALSE(turn());
    EXPECT_TRUE(book_->isLeased(1));
}

TEST_F(Leases, AreCountedByGroup) {
    auto first = grant({1, 3});
    const auto second = grant({3}, 8, "another VM");
    const auto on = book_->leasesOn(3);
    ASSERT_EQ(on.size(), 2U);
    EXPECT_EQ(on[0]->uid, 7U);
    EXPECT_EQ(on[1]->what, "another VM");
    first.reset();
    turnAll();
    EXPECT_EQ(ended_, (Ends{{1, true}, {3, false}}));
    EXPECT_EQ(book_->owed(), (std::set<unsigned>{1}));
    book_->settle(3); // leased: nothing is settled
    EXPECT_NE(book_->find(3), nullptr);
    book_->settle(1);
    EXPECT_EQ(book_->find(1), nullptr);
}

TEST_F(Leases, WhatTheFirstLeaseSaidOfAGroupStays) {
    auto first = grant({3});
    auto other = group(3);
    other.request.driver = "pci-stub";
    other.boundBefore = true;
    book_->grant(7, "", {{3, other}}, [](SysResult<Descriptor> granted) { EXPECT_TRUE(granted); });
    EXPECT_EQ(*book_->find(3), group(3));
    first.reset();
    turnAll();
    ASSERT_EQ(book_->owed(), (std::set<unsigned>{3}));
    // The next lease comes before the group was given back: it is the first one anew.
    std::optional<Descriptor> next;
    book_->grant(7, "", {{3, other}},
                 [&next](SysResult<Descriptor> granted) { next.emplace(std::move(*granted)); });
    EXPECT_EQ(*book_->find(3), other);
}

TEST_F(Leases, AreAnsweredOnceTheStoreHasThem) {
    store_.answers = false;
    EXPECT_FALSE(grant({1}));
    std::optional<Descriptor> lease;
    book_->grant(7, "", {{1, group(1)}},
                 [&lease](SysResult<Descriptor> granted) { lease.emplace(std::move(*granted)); });
    EXPECT_FALSE(lease);
    store_.waiting();
    EXPECT_TRUE(lease);
}

/// The caller is gone when the answer is there: the descriptor has no other owner.
TEST_F(Leases, WithoutACallerEnd) {
    (void)grant({1});
    turnAll();
    EXPECT_EQ(ended_, (Ends{{1, true}}));
}

TEST_F(Leases, OutliveTheDaemon) {
    const auto first = grant({1, 3}, 7, "VM win11");
    auto second = grant({3}, 8);
    const auto before = *book_->leasesOn(1).front();
    second.reset(); // while no daemon is there
    start();
    EXPECT_EQ(*book_->leasesOn(1).front(), before);
    EXPECT_EQ(*book_->find(3), group(3));
    turnAll();
    EXPECT_EQ(ended_, (Ends{{3, false}}));
    EXPECT_EQ(book_->leasesOn(3).size(), 1U);
}

TEST_F(Leases, AreFoundInProcessesWhenTheStoreIsLost) {
    auto held = grant({1});
    auto gone = grant({3});
    gone.reset();
    store_.lose();
    start();
    EXPECT_TRUE(ended_.empty()) << "nobody can act on it yet";
    EXPECT_EQ(book_->owed(), (std::set<unsigned>{3}));
    turnAll();
    ASSERT_TRUE(book_->isLeased(1));
    EXPECT_EQ(store_.size(), 1U);
    held.reset();
    turnAll();
    EXPECT_FALSE(book_->isLeased(1));
}

TEST_F(Leases, WhatIsOwedIsRemembered) {
    auto lease = grant({1});
    lease.reset();
    turnAll();
    start();
    EXPECT_EQ(book_->owed(), (std::set<unsigned>{1}));
    book_->settle(1);
    start();
    EXPECT_TRUE(book_->owed().empty());
}

TEST_F(Leases, AnOverruledGroupIsOneUntilTheNextLease) {
    const auto lease = grant({1});
    ASSERT_TRUE(book_->overrule(1, true));
    start();
    EXPECT_TRUE(book_->find(1)->overruled);
    const auto next = grant({1});
    EXPECT_FALSE(book_->find(1)->overruled);
}

TEST_F(Leases, AreLimited) {
    start({.perUserAndGroup = 2, .perUser = 3, .all = 4});
    std::vector<std::optional<Descriptor>> leases;
    leases.push_back(grant({1, 3}));
    EXPECT_TRUE(book_->checkRoom(7, {1}));
    leases.push_back(grant({1}));
    const auto onGroup = book_->checkRoom(7, {1, 3});
    ASSERT_FALSE(onGroup);
    EXPECT_EQ(onGroup.error(), "uid 7 has 2 leases on group 1, and may have no more; some have to end first");
    EXPECT_TRUE(book_->checkRoom(8, {1}));
    leases.push_back(grant({3}));
    const auto inAll = book_->checkRoom(7, {3});
    ASSERT_FALSE(inAll);
    EXPECT_EQ(inAll.error(), "uid 7 has 3 leases, and may have no more; some have to end first");
    leases.push_back(grant({3}, 8));
    EXPECT_FALSE(book_->checkRoom(9, {3}));
}

TEST_F(Leases, TheStoreHasRoomForAllOfThem) {
    std::ifstream unit(VFIO_BIND_SOURCE_DIR "/units/vfio-bind.service");
    const std::string text(std::istreambuf_iterator<char>(unit), {});
    EXPECT_THAT(text, testing::HasSubstr(fmt::format("\nFileDescriptorStoreMax={}\n", LeaseLimits{}.all)));
}

// case 14
TEST_F(Leases, AnotherCardUnderTheNumberIsNotLeased) {
    const auto lease = grant({1, 3});
    kernel_.unplug(nic);
    book_->prune(Topology::read(kernel_).value());
    EXPECT_FALSE(book_->isLeased(3));
    EXPECT_EQ(book_->find(3), nullptr);
    EXPECT_TRUE(book_->isLeased(1));
}

/// The caller is told that nothing is done: then nothing may be remembered.
TEST_F(Leases, WhatCannotBeWrittenIsNotRemembered) {
    std::filesystem::remove_all(folder_);
    std::ofstream(folder_) << "no directory";
    std::optional<SysError> error;
    book_->grant(7, "", {{1, group(1)}},
                 [&error](SysResult<Descriptor> granted) { error = granted.error(); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, ENOTDIR);
    EXPECT_FALSE(book_->isLeased(1));
    EXPECT_EQ(book_->find(1), nullptr);
    EXPECT_EQ(store_.size(), 0U);
}

TEST_F(Leases, AnUnreadableFileIsToldAndCountsAsEmpty) {
    const auto lease = grant({1});
    std::ofstream(file()) << R"({"leases": {"x": {}}, "groups": {}})";
    LeaseBook book(loop_, store_, file());
    const auto loaded = book.load();
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error(), file() + " cannot be read: 'x' is no number");
    EXPECT_FALSE(book.isLeased(1));
}

TEST_F(Leases, SayWhoseTheyAre) {
    const Lease lease{.pipe = 1, .uid = 7, .what = "VM win11", .sinceUsec = 0, .groups = {}};
    EXPECT_THAT(describe(lease, true), testing::MatchesRegex("uid 7 since 19[67][0-9]-.* \\(VM win11\\)"));
    EXPECT_THAT(describe(lease, false), testing::Not(testing::HasSubstr("win11")));
}

} // namespace
} // namespace vfiobind::lease_book_test
