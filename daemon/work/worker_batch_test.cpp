// SPDX-License-Identifier: LGPL-2.1-or-later
// The process that looks at several groups is a real one here; the kernel is a fake, of which each process
// has a copy. What is counted over all of them is in shared memory.
#include "work/worker_batch.h"

#include "fake/kernel_seam.h"
#include "fake/machine.h"
#include "host_sysfs.h"
#include "transaction/journal.h"

#include <array>
#include <atomic>
#include <filesystem>
#include <new>
#include <poll.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

namespace vfiobind::worker_batch_test {
namespace {

using namespace fakemachine;
using testing::HasSubstr;

struct Shared {
    Shared() {
        sem_init(&hangs, 1, 0);
        sem_init(&returns, 1, 0);
    }
    std::atomic<int> processLists; ///< of /proc
    std::atomic<int> writers;      ///< processes that wrote
    std::atomic<int> diskMounted;  ///< from now on
    std::atomic<unsigned> hangsAt; ///< the group whose override cannot be read, until `returns`; 0: none
    sem_t hangs{};                 ///< a process has come to it
    sem_t returns{};
};

std::string addressOf(unsigned group) {
    return "0000:00:" + std::to_string(group) + ".0";
}

/// Counts, and mounts the disk or hangs when it is told to.
class WatchedSysfs final : public KernelSeam {
public:
    WatchedSysfs(FakeKernel& kernel, Shared& shared) : KernelSeam(kernel), shared_(shared) {}
    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        if (path == "/proc/self/mountinfo" && shared_.diskMounted != 0)
            return std::string("30 1 254:0 / /mnt rw - ext4 /dev/vda rw");
        if (const unsigned group = shared_.hangsAt;
            group != 0 && path == devices + addressOf(group) + "/driver_override") {
            sem_post(&shared_.hangs);
            sem_wait(&shared_.returns);
        }
        return kernel_.read(path, limit);
    }
    SysResult<void> write(const std::string& path, std::string_view data) override {
        if (!wrote_)
            ++shared_.writers;
        wrote_ = true;
        return kernel_.write(path, data);
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        shared_.processLists += path == "/proc" ? 1 : 0;
        return kernel_.list(path);
    }
    SysResult<std::string> netlinkDump(std::uint16_t, std::uint8_t) const override { return std::string{}; }

private:
    Shared& shared_;
    bool wrote_ = false;
};

class WorkerBatchTest : public testing::Test {
protected:
    void SetUp() override {
        std::array<char, 64> name{"/tmp/vfio-bind-together-XXXXXX"};
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name.data();
        kernel_.putFile("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
        for (const auto group : groups_)
            addDisk(group);
    }

    void TearDown() override {
        for (const int fd : ours_)
            close(fd);
        if (leader_ > 0) {
            EXPECT_EQ(waitpid(leader_, nullptr, 0), leader_);
        }
        std::filesystem::remove_all(folder_);
        munmap(shared_, sizeof(Shared));
    }

    /// A disk that nobody uses, alone in its group.
    void addDisk(unsigned group) {
        const auto address = addressOf(group);
        kernel_.addDevice({.address = address,
                           .ids = "8086:10d3",
                           .classCode = 0x020000,
                           .group = group,
                           .driver = "e1000e"});
        const auto place = "pci0000:00/" + address + "/virtio0/block/vd" + std::string(1, letter(group));
        kernel_.putFile("/sys/devices/" + place + "/dev", "254:" + std::to_string(group - first) + "\n");
        kernel_.putLink("/sys/class/block/vd" + std::string(1, letter(group)), "../../devices/" + place);
    }
    static char letter(unsigned group) { return static_cast<char>('a' + group - first); }

    void start(std::chrono::milliseconds freshFor = std::chrono::hours(1)) {
        std::vector<WorkOrder> orders;
        std::vector<int> theirs;
        for (const auto group : groups_) {
            std::array<int, 2> ends{};
            ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
            ours_.push_back(ends[0]);
            theirs.push_back(ends[1]);
            orders.push_back(
                {.group = group, .wanted = {.by = "test"}, .drivers = readDrivers(kernel_).value()});
        }
        const auto topology = Topology::read(kernel_).value();
        leader_ = fork();
        ASSERT_GE(leader_, 0);
        if (leader_ == 0)
            endAfter([&] {
                WatchedSysfs sysfs(kernel_, *shared_);
                FileJournalStore journals(folder_);
                becomeWorker(theirs);
                WorkerBatch({sysfs, journals, folder_}, orders, topology, theirs, freshFor).run();
            });
        for (const int fd : theirs)
            close(fd);
    }

    /// The next message about the group, which is waited for; Died when its process has ended.
    WorkMessage next(std::size_t which) {
        auto& text = texts_[which];
        for (;;) {
            if (const auto end = text.find('\n'); end != std::string::npos) {
                auto message = decode(text.substr(0, end)).value();
                text.erase(0, end + 1);
                return message;
            }
            std::array<char, 4096> buffer{};
            const auto n = read(ours_[which], buffer.data(), buffer.size());
            if (n <= 0)
                return Died{"its process has ended"};
            text.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }

    template <typename Message>
    Message nextOf(std::size_t which) {
        for (;;) {
            const auto message = next(which);
            if (const auto* found = std::get_if<Message>(&message))
                return *found;
            if (std::holds_alternative<Died>(message))
                throw std::runtime_error("its process has ended before it told that");
        }
    }

    bool isSilent(std::size_t which) {
        pollfd polled{.fd = ours_[which], .events = POLLIN, .revents = 0};
        return texts_[which].empty() && poll(&polled, 1, 0) == 0;
    }

    void letGo(std::size_t which) { ASSERT_EQ(write(ours_[which], &wordToGo, 1), 1); }

    static constexpr unsigned first = 10;
    const std::vector<unsigned> groups_{10, 11, 12};
    FakeKernel kernel_ = machine();
    Shared* shared_ =
        new (mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Shared;
    std::string folder_;
    std::vector<int> ours_;
    std::array<std::string, 3> texts_;
    int leader_ = -1;
};

TEST_F(WorkerBatchTest, TheHostIsReadOnceForAllVerdictsAndOnceForAllWrites) {
    start();
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_THAT(nextOf<Verdict>(i).blockers, testing::IsEmpty());
    EXPECT_EQ(shared_->processLists, 1);
    for (std::size_t i = 0; i < 3; ++i)
        letGo(i);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto end = nextOf<Finished>(i);
        EXPECT_EQ(end.result, "done") << end.error;
    }
    EXPECT_EQ(shared_->writers, 3) << "each group has a process of its own";
    // A word that comes after the others were forked has the host read once more.
    EXPECT_GE(shared_->processLists, 2);
    EXPECT_LE(shared_->processLists, 4);
}

TEST_F(WorkerBatchTest, AGroupsProcessThatBeginsTooLateReadsTheHostItself) {
    start(std::chrono::milliseconds(-1));
    for (std::size_t i = 0; i < 3; ++i)
        nextOf<Verdict>(i);
    for (std::size_t i = 0; i < 3; ++i)
        letGo(i);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(nextOf<Finished>(i).result, "done");
    EXPECT_GE(shared_->processLists, 1 + 1 + 3) << "for the verdicts, for those that go, and by each";
}

TEST_F(WorkerBatchTest, AGroupsLookBeginsWhenItsTurnHasCome) {
    shared_->hangsAt = 11;
    start();
    nextOf<Verdict>(0);
    EXPECT_EQ(next(1), WorkMessage(LookBegun{}));
    sem_wait(&shared_->hangs);
    EXPECT_TRUE(isSilent(1));
    EXPECT_TRUE(isSilent(2)) << "it is not this one that hangs";
    shared_->hangsAt = 0;
    sem_post(&shared_->returns);
    EXPECT_EQ(next(2), WorkMessage(LookBegun{}));
}

/// The process cannot hear that the daemon has let go of the others: nothing of theirs is held by it.
TEST_F(WorkerBatchTest, WhereALookHangsTheOthersAreFreeForAnotherCall) {
    shared_->hangsAt = 11;
    start();
    sem_wait(&shared_->hangs);
    shutdown(ours_[0], SHUT_RDWR);
    shutdown(ours_[2], SHUT_RDWR);
    for (const auto group : {10U, 12U}) {
        const auto lock = tryLockGroup(folder_ + "/lock", group);
        ASSERT_TRUE(lock) << lock.error().str();
        close(*lock);
    }
    shared_->hangsAt = 0;
    sem_post(&shared_->returns);
    nextOf<Verdict>(1);
    EXPECT_TRUE(std::holds_alternative<Died>(next(2))) << "it is not looked at any more";
}

// case 6: between the verdict and the word to go
TEST_F(WorkerBatchTest, WhatIsTakenIntoUseMeanwhileIsRefusedBeforeTheFirstWrite) {
    start();
    for (std::size_t i = 0; i < 3; ++i)
        nextOf<Verdict>(i);
    shared_->diskMounted = 1;
    for (std::size_t i = 0; i < 3; ++i)
        letGo(i);
    const auto end = nextOf<Finished>(0);
    EXPECT_EQ(end.result, "failed");
    EXPECT_THAT(end.error, HasSubstr("mounted: 0000:00:10.0 holds /mnt (vda)"));
    EXPECT_EQ(nextOf<Finished>(1).result, "done");
    EXPECT_EQ(nextOf<Finished>(2).result, "done");
    EXPECT_EQ(shared_->writers, 2);
}

TEST_F(WorkerBatchTest, WhoIsLetGoOfWritesNothingAndTheOthersGoOn) {
    start();
    for (std::size_t i = 0; i < 3; ++i)
        nextOf<Verdict>(i);
    shutdown(ours_[1], SHUT_RDWR);
    letGo(0);
    letGo(2);
    EXPECT_EQ(nextOf<Finished>(0).result, "done");
    EXPECT_EQ(nextOf<Finished>(2).result, "done");
    EXPECT_EQ(shared_->writers, 2);
}

TEST_F(WorkerBatchTest, AGroupThatAnotherProcessWorksOnHoldsUpNoOther) {
    std::filesystem::create_directory(folder_ + "/lock");
    const auto lock = lockGroup(folder_ + "/lock", groups_[0]);
    ASSERT_TRUE(lock);
    start();
    for (std::size_t i = 1; i < 3; ++i)
        nextOf<Verdict>(i);
    EXPECT_EQ(next(0), WorkMessage(LookBegun{}));
    EXPECT_TRUE(isSilent(0));
    close(*lock);
    nextOf<Verdict>(0);
    for (std::size_t i = 0; i < 3; ++i)
        letGo(i);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_EQ(nextOf<Finished>(i).result, "done");
}

TEST_F(WorkerBatchTest, AGroupThatIsLockedBeforeItGoesWaitsAndLooksAgain) {
    start();
    for (std::size_t i = 0; i < 3; ++i)
        nextOf<Verdict>(i);
    const auto lock = tryLockGroup(folder_ + "/lock", 10);
    ASSERT_TRUE(lock) << "who waits for the word holds no lock";
    for (std::size_t i = 0; i < 3; ++i)
        letGo(i);
    EXPECT_EQ(nextOf<Finished>(1).result, "done");
    EXPECT_EQ(nextOf<Finished>(2).result, "done");
    EXPECT_EQ(shared_->writers, 2);
    shared_->diskMounted = 1;
    close(*lock);
    EXPECT_THAT(nextOf<Finished>(0).error, HasSubstr("mounted: 0000:00:10.0 holds /mnt (vda)"));
}

} // namespace
} // namespace vfiobind::worker_batch_test
