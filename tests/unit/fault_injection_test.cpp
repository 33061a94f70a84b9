// SPDX-License-Identifier: LGPL-2.1-or-later
// Every write of every scenario fails in every way (cases 27, 30, 32, 33, 34, 36, 38, 41, 69).
#include "fault_injection.h"

#include <cerrno>
#include <fmt/format.h>

namespace vfiobind::fault_injection_test {
namespace {

class FaultInjection : public testing::TestWithParam<Scenario> {
protected:
    static void TearDownTestSuite() { fmt::print("[          ] {} fault cases\n", faultCases); }

    template <typename Work>
    void onBothKernels(Work work) {
        for (const auto version : {FakeVersion::v6_1, FakeVersion::v6_12}) {
            const Trial trial(GetParam(), version);
            for (std::size_t at = 0; at < trial.writes(); ++at)
                work(trial, at);
        }
    }
};

constexpr std::array errnos{EINVAL, EBUSY, ENODEV, EIO, EACCES, ENOENT, ETIMEDOUT};

/// ENODEV from remove_id says that there is no such id (remove_id_store): failing with it while there is one
/// would be a lie that no kernel tells and nobody could see through, since the list of ids cannot be read.
FakeKernel honest(FakeKernel kernel, int code) {
    if (code == ENODEV)
        kernel.neverFail = [](const FakeWrite& write) { return write.path.ends_with("/remove_id"); };
    return kernel;
}

/// A fresh run that finds the journal, as a daemon does when it starts; without a journal nothing was begun
/// or all was ended.
testing::AssertionResult recovers(const Trial& trial, FakeKernel& kernel, MemoryJournalStore& journals) {
    if (const auto left = journals.journals; !left.empty()) {
        const auto outcome = recover(kernel, left.begin()->second, journals, noHooks);
        if (outcome.result == Outcome::Result::failed || !outcome.differences.empty())
            return testing::AssertionFailure() << "recovery: " << outcome.str() << '\n'
                                               << Trial::history(kernel);
        const bool said =
            outcome.result == Outcome::Result::done ? trial.asWanted(kernel) : trial.asBefore(kernel);
        if (!said)
            return testing::AssertionFailure() << "recovery says " << outcome.str() << " and it is not so\n"
                                               << FakeKernel::str(kernel.state()) << Trial::history(kernel);
    }
    if (!journals.journals.empty())
        return testing::AssertionFailure() << "the journal is left after a recovery";
    if (!trial.asBefore(kernel) && !trial.asWanted(kernel))
        return testing::AssertionFailure() << "neither as before nor as wanted\n"
                                           << FakeKernel::str(kernel.state()) << Trial::history(kernel);
    return testing::AssertionSuccess();
}

TEST_P(FaultInjection, AWriteFails) {
    onBothKernels([](const Trial& trial, std::size_t at) {
        for (const int code : errnos) {
            ++faultCases;
            auto kernel = honest(trial.start(), code);
            MemoryJournalStore journals;
            kernel.failAt(at, Fault::error(code));
            const auto outcome = carryOut(kernel, trial.plan(), journals, noHooks);
            ASSERT_TRUE(trial.keptItsPromise(kernel, outcome, journals.journals))
                << "write " << at << " fails with " << errnoName(code);
            // One failed write can be undone, or was no harm.
            ASSERT_TRUE(outcome.differences.empty()) << outcome.str() << '\n' << Trial::history(kernel);
        }
    });
}

/// The undoing fails too: what is left must be told exactly, and mended once the kernel lets it (case 33).
TEST_P(FaultInjection, AllWritesFailFromOneOn) {
    onBothKernels([](const Trial& trial, std::size_t at) {
        for (const int code : errnos) {
            ++faultCases;
            auto kernel = honest(trial.start(), code);
            MemoryJournalStore journals;
            std::size_t count = 0;
            kernel.failWhen([&](const FakeWrite&) { return count++ >= at; }, Fault::error(code), 1000);
            const auto outcome = carryOut(kernel, trial.plan(), journals, noHooks);
            ASSERT_TRUE(trial.keptItsPromise(kernel, outcome, journals.journals))
                << "all fail with " << errnoName(code) << " from write " << at << " on";
            kernel.clearFaults();
            ASSERT_TRUE(recovers(trial, kernel, journals)) << "after all failed from write " << at << " on";
        }
    });
}

/// One write fails, and then one of the undoing.
TEST_P(FaultInjection, AWriteFailsAndOneOfTheUndoing) {
    const Trial trial(GetParam());
    for (std::size_t at = 0; at < trial.writes(); ++at)
        for (std::size_t later = 1;; ++later) {
            ++faultCases;
            auto kernel = trial.start();
            MemoryJournalStore journals;
            kernel.failAt(at, Fault::error(EINVAL));
            kernel.failAt(at + later, Fault::error(EIO));
            const auto outcome = carryOut(kernel, trial.plan(), journals, noHooks);
            ASSERT_TRUE(trial.keptItsPromise(kernel, outcome, journals.journals))
                << "writes " << at << " and " << at + later;
            const bool beyondTheEnd = kernel.faultsHit() < 2;
            kernel.clearFaults();
            ASSERT_TRUE(recovers(trial, kernel, journals)) << "writes " << at << " and " << at + later;
            if (beyondTheEnd)
                break;
        }
}

TEST_P(FaultInjection, TheWorkerIsKilled) { // case 38
    onBothKernels([](const Trial& trial, std::size_t at) {
        for (const auto& fault : {Fault::killBefore(), Fault::killAfter()}) {
            ++faultCases;
            auto kernel = trial.start();
            MemoryJournalStore journals;
            kernel.failAt(at, fault);
            ASSERT_THROW(carryOut(kernel, trial.plan(), journals, noHooks), FakeKernel::Killed);
            kernel.newProcess();
            ASSERT_FALSE(journals.journals.empty()) << "a write was made with no journal";
            ASSERT_TRUE(recovers(trial, kernel, journals)) << "killed at write " << at;
        }
    });
}

TEST_P(FaultInjection, TheWorkerIsKilledAndSoIsTheOneThatRecovers) {
    const Trial trial(GetParam());
    for (std::size_t at = 0; at < trial.writes(); ++at) {
        auto cutOff = trial.start();
        MemoryJournalStore left;
        cutOff.failAt(at, Fault::killAfter());
        ASSERT_THROW(carryOut(cutOff, trial.plan(), left, noHooks), FakeKernel::Killed);
        cutOff.newProcess();
        for (std::size_t later = 0;; ++later) {
            ++faultCases;
            auto kernel = cutOff;
            auto journals = left;
            kernel.failAt(later, later % 2 == 0 ? Fault::killAfter() : Fault::killBefore());
            bool killed = false;
            try {
                recover(kernel, left.journals.begin()->second, journals, noHooks);
            } catch (const FakeKernel::Killed&) {
                killed = true;
                kernel.newProcess();
            }
            ASSERT_TRUE(recovers(trial, kernel, journals))
                << "killed at write " << at << ", then at " << later;
            if (!killed)
                break;
        }
    }
}

/// The world while a write hangs: it can be looked at without waiting, and the journal names the step (cases
/// 34, 37).
testing::AssertionResult canBeLookedAt(const FakeKernel& kernel, const MemoryJournalStore& journals) {
    auto copy = kernel;
    copy.clearLockedReads();
    try {
        if (!Topology::read(copy))
            return testing::AssertionFailure() << "no topology";
    } catch (const FakeKernel::Hung& hung) {
        return testing::AssertionFailure() << "status hangs too: " << hung.path;
    }
    if (!copy.lockedReads().empty())
        return testing::AssertionFailure() << "status reads " << copy.lockedReads().front();
    if (journals.journals.empty() || journals.journals.begin()->second.steps.back().result != "begun")
        return testing::AssertionFailure() << "the journal does not say which step hangs";
    return testing::AssertionSuccess();
}

TEST_P(FaultInjection, AWriteHangsAndReturnsInTheEnd) { // cases 34, 36
    onBothKernels([](const Trial& trial, std::size_t at) {
        ++faultCases;
        auto kernel = trial.start();
        MemoryJournalStore journals;
        kernel.failAt(at, Fault::hang());
        WaitingSysfs waiting(kernel, [&] {
            EXPECT_TRUE(canBeLookedAt(kernel, journals)) << "write " << at << " hangs";
            kernel.finishHang();
        });
        const auto outcome = carryOut(waiting, trial.plan(), journals, noHooks);
        ASSERT_EQ(outcome.str(), "done") << "write " << at;
        ASSERT_TRUE(trial.keptItsPromise(kernel, outcome, journals.journals)) << "write " << at;
    });
}

TEST_P(FaultInjection, AWriteHangsAndTheWorkerDiesWithIt) {
    onBothKernels([](const Trial& trial, std::size_t at) {
        ++faultCases;
        auto kernel = trial.start();
        MemoryJournalStore journals;
        kernel.failAt(at, Fault::hang());
        try {
            carryOut(kernel, trial.plan(), journals, noHooks);
        } catch (const FakeKernel::Hung&) {
            kernel.finishHang(); // SIGKILL has its effect only now
        }
        ASSERT_TRUE(recovers(trial, kernel, journals)) << "write " << at << " hung";
    });
}

TEST_P(FaultInjection, ADeviceVanishes) { // cases 27, 41
    onBothKernels([](const Trial& trial, std::size_t at) {
        for (const auto& member : trial.plan().members) {
            ++faultCases;
            auto kernel = trial.start();
            MemoryJournalStore journals;
            kernel.failAt(at, Fault::vanish(member.device.str()));
            const auto outcome = carryOut(kernel, trial.plan(), journals, noHooks);
            ASSERT_TRUE(trial.keptItsPromise(kernel, outcome, journals.journals))
                << member.device.str() << " vanishes at write " << at;
            ASSERT_TRUE(journals.journals.empty()) << outcome.str();
        }
    });
}

TEST_P(FaultInjection, ADeviceVanishesAfterTheWorkerWasKilled) {
    const Trial trial(GetParam());
    for (std::size_t at = 0; at < trial.writes(); ++at)
        for (const auto& member : trial.plan().members) {
            ++faultCases;
            auto kernel = trial.start();
            MemoryJournalStore journals;
            kernel.failAt(at, Fault::killAfter());
            ASSERT_THROW(carryOut(kernel, trial.plan(), journals, noHooks), FakeKernel::Killed);
            kernel.newProcess();
            kernel.unplug(member.device.str());
            ASSERT_TRUE(recovers(trial, kernel, journals))
                << member.device.str() << " vanished after write " << at;
        }
}

TEST_P(FaultInjection, TheJournalCannotBeWritten) { // case 69
    const Trial trial(GetParam());
    for (std::size_t room = 0;; ++room) {
        ++faultCases;
        auto kernel = trial.start();
        FullJournalStore journals(room);
        const auto outcome = carryOut(kernel, trial.plan(), journals, noHooks);
        ASSERT_TRUE(trial.keptItsPromise(kernel, outcome, journals.kept.journals)) << "room for " << room;
        if (room == 0) {
            ASSERT_TRUE(kernel.writes().empty()) << "written with no journal";
        }
        if (!journals.wasFull())
            break;
    }
}

/// Once the fault is over, the same request goes through: nothing is left that would forbid it.
TEST_P(FaultInjection, WhatFailedOnceGoesThroughTheNextTime) {
    onBothKernels([](const Trial& trial, std::size_t at) {
        ++faultCases;
        auto kernel = trial.start();
        MemoryJournalStore journals;
        kernel.failAt(at, Fault::error(EIO));
        carryOut(kernel, trial.plan(), journals, noHooks);
        if (trial.asWanted(kernel))
            return;
        const auto plan = planOf(GetParam(), kernel);
        ASSERT_FALSE(plan.blocked()) << plan.str();
        ASSERT_EQ(carryOut(kernel, plan, journals, noHooks).str(), "done");
        ASSERT_TRUE(trial.asWanted(kernel));
    });
}

INSTANTIATE_TEST_SUITE_P(All, FaultInjection, testing::ValuesIn(scenarios()));

} // namespace
} // namespace vfiobind::fault_injection_test
