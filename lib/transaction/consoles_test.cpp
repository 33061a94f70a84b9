// SPDX-License-Identifier: LGPL-2.1-or-later
// The consoles that a bind lets go of and a release takes back.
#include "fake/kernel_seam.h"
#include "transaction/transaction.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::consoles_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

const std::string console = "/sys/class/vtconsole/vtcon1/bind";

/// A kernel that takes what is written to the console's file, and leaves the console as it is.
class DeafConsole final : public KernelSeam {
public:
    using KernelSeam::KernelSeam;
    SysResult<void> write(const std::string& path, std::string_view data) override {
        return path == console && data == deafTo ? SysResult<void>{} : kernel_.write(path, data);
    }
    std::string deafTo; ///< what has no effect
};

class Consoles : public testing::Test {
protected:
    Consoles() {
        kernel_.addDriver({.name = "nouveau", .module = "nouveau", .ids = {"10de::03"}});
        kernel_.addVfioPci();
        kernel_.addDevice({.address = "0000:01:00.0",
                           .ids = "10de:1284",
                           .classCode = 0x030000,
                           .group = 1,
                           .driver = "nouveau"});
        kernel_.putFile(console, "1\n", true);
    }

    GroupPlan plan(Action action) {
        const auto topology = Topology::read(kernel_);
        auto planned = planGroup(1, {.action = action}, *topology, *readDrivers(kernel_));
        planned.consoles = {"vtcon1"};
        return planned;
    }
    Outcome carryOutNow(Action action) { return carryOut(deaf_, plan(action), journals_, {}); }
    std::vector<std::string> noted() { return journals_.consoles(1).value(); }
    bool isBound() { return kernel_.read(console) == "1"; }
    /// As a daemon does whose worker was killed.
    Outcome recoverLeft() {
        kernel_.newProcess();
        kernel_.clearFaults();
        return recover(deaf_, Journal(journals_.journals.at(1)), journals_, {});
    }

    FakeKernel kernel_;
    DeafConsole deaf_{kernel_};
    MemoryJournalStore journals_;
    const std::string left =
        "the kernel leaves the console unbound; write 1 to " + console + ": EBUSY (Device or resource busy)";
};

TEST_F(Consoles, ABindLetsGoBeforeTheFirstUnbindAndAReleaseTakesBack) {
    EXPECT_THAT(plan(Action::bind).steps(),
                ElementsAre("override 0000:01:00.0 vfio-pci", "let-go vtcon1", "unbind 0000:01:00.0 nouveau",
                            "bind 0000:01:00.0 vfio-pci", "verify 0000:01:00.0 vfio-pci"));
    const auto bound = carryOutNow(Action::bind);
    EXPECT_EQ(bound.str(), "done");
    EXPECT_TRUE(journals_.journals.empty());
    EXPECT_THAT(noted(), ElementsAre("vtcon1")) << "nobody may have heard how the bind ended";
    EXPECT_EQ(kernel_.writes()[1].path, console);
    EXPECT_FALSE(isBound());
    EXPECT_THAT(plan(Action::release).steps(), Contains("take-back vtcon1"));
    EXPECT_EQ(carryOutNow(Action::release).str(), "done");
    EXPECT_TRUE(isBound());
    EXPECT_THAT(noted(), IsEmpty());
}

TEST_F(Consoles, OneThatWasNotBoundStaysSo) {
    kernel_.putFile(console, "0\n", true);
    const auto bound = carryOutNow(Action::bind);
    EXPECT_EQ(bound.str(), "done");
    EXPECT_THAT(noted(), IsEmpty());
    for (const auto& write : kernel_.writes())
        EXPECT_NE(write.path, console);
}

/// Whichever write fails, or is the worker's last.
TEST_F(Consoles, IsBoundAgainHoweverABindFails) {
    const auto writesOfABind = [this] {
        auto copy = kernel_;
        MemoryJournalStore journals;
        (void)carryOut(copy, plan(Action::bind), journals, {});
        return copy.writes().size();
    }();
    ASSERT_EQ(writesOfABind, 4U);
    const auto before = kernel_;
    for (std::size_t nth = 0; nth < writesOfABind; ++nth) {
        kernel_ = before;
        kernel_.failAt(nth, Fault::error(EIO));
        EXPECT_NE(carryOutNow(Action::bind).result, Outcome::Result::done);
        EXPECT_TRUE(isBound()) << "write " << nth << " failed";
        EXPECT_THAT(noted(), IsEmpty());
        for (const auto& death : {Fault::killBefore(), Fault::killAfter()}) {
            kernel_ = before;
            journals_ = {};
            kernel_.failAt(nth, death);
            EXPECT_THROW(carryOutNow(Action::bind), FakeKernel::Killed);
            const auto outcome = recoverLeft();
            const bool done = outcome.result == Outcome::Result::done;
            EXPECT_EQ(isBound(), !done) << "write " << nth << ": " << outcome.str();
            EXPECT_EQ(noted().empty(), !done);
        }
    }
}

TEST_F(Consoles, IsTakenBackByWhoFinishesARelease) {
    ASSERT_EQ(carryOutNow(Action::bind).str(), "done");
    kernel_.failWhen([](const FakeWrite& write) { return write.path == console; }, Fault::killBefore());
    EXPECT_THROW(carryOutNow(Action::release), FakeKernel::Killed);
    EXPECT_EQ(recoverLeft().str(), "done");
    EXPECT_TRUE(isBound());
}

TEST_F(Consoles, OneThatCannotBeLetGoOfIsToldAndNothingIsDone) {
    kernel_.putFile(console, "1\n", false);
    const auto outcome = carryOutNow(Action::bind);
    EXPECT_EQ(outcome.str(), "rolled-back: let-go vtcon1: write " + console + ": EACCES (Permission denied)");
    EXPECT_EQ(kernel_.driverOf("0000:01:00.0"), "nouveau");
    EXPECT_EQ(kernel_.overrideOf("0000:01:00.0"), "");
}

/// The kernel gives the terminals to a console that comes again by itself.
TEST_F(Consoles, OneThatIsGoneNeedsNothing) {
    ASSERT_EQ(carryOutNow(Action::bind).str(), "done");
    kernel_.dropPath(console);
    EXPECT_EQ(carryOutNow(Action::release).str(), "done");
    EXPECT_THAT(noted(), IsEmpty());
}

TEST_F(Consoles, OneWhoseDriverIsGoneNeedsNothing) {
    ASSERT_EQ(carryOutNow(Action::bind).str(), "done");
    kernel_.failWhen([](const FakeWrite& write) { return write.path == console; }, Fault::error(ENODEV));
    EXPECT_EQ(carryOutNow(Action::release).str(), "done");
    EXPECT_THAT(noted(), IsEmpty());
}

TEST_F(Consoles, OneThatStaysBoundThoughTheWriteSucceedsIsToldAndNothingIsDone) {
    deaf_.deafTo = "0";
    EXPECT_EQ(carryOutNow(Action::bind).str(),
              "rolled-back: let-go vtcon1: the kernel leaves the console bound; write 0 to " + console +
                  ": EBUSY (Device or resource busy)");
    EXPECT_EQ(kernel_.driverOf("0000:01:00.0"), "nouveau");
    EXPECT_THAT(noted(), IsEmpty());
}

TEST_F(Consoles, OneThatAReleaseCannotTakeBackIsToldAndTakenBackByTheNext) {
    ASSERT_EQ(carryOutNow(Action::bind).str(), "done");
    deaf_.deafTo = "1";
    EXPECT_EQ(carryOutNow(Action::release).str(), "done; take-back vtcon1: " + left);
    EXPECT_TRUE(journals_.journals.empty());
    EXPECT_EQ(kernel_.driverOf("0000:01:00.0"), "nouveau");
    EXPECT_THAT(noted(), ElementsAre("vtcon1"));
    ASSERT_EQ(carryOutNow(Action::bind).str(), "done");
    EXPECT_THAT(noted(), ElementsAre("vtcon1"));
    deaf_.deafTo = {};
    EXPECT_EQ(carryOutNow(Action::release).str(), "done");
    EXPECT_TRUE(isBound());
    EXPECT_THAT(noted(), IsEmpty());
}

/// The members are right: that decides.
TEST_F(Consoles, OneThatCannotBeTakenBackLeavesNoJournal) {
    deaf_.deafTo = "1";
    const auto isLast = [](const FakeWrite& write) { return write.path.ends_with("/vfio-pci/bind"); };
    kernel_.failWhen(isLast, Fault::error(EIO));
    const auto undone = carryOutNow(Action::bind);
    EXPECT_EQ(undone.result, Outcome::Result::rolledBack) << undone.str();
    EXPECT_THAT(undone.warnings, ElementsAre("undo: take-back vtcon1: " + left));
    EXPECT_TRUE(journals_.journals.empty());
    EXPECT_THAT(noted(), ElementsAre("vtcon1"));
    kernel_.putFile(console, "1\n", true);
    kernel_.failWhen(isLast, Fault::killBefore());
    EXPECT_THROW(carryOutNow(Action::bind), FakeKernel::Killed);
    const auto recovered = recoverLeft();
    EXPECT_EQ(recovered.result, Outcome::Result::rolledBack) << recovered.str();
    EXPECT_THAT(recovered.warnings, ElementsAre("undo: take-back vtcon1: " + left));
    EXPECT_TRUE(journals_.journals.empty());
    EXPECT_THAT(noted(), ElementsAre("vtcon1"));
}

} // namespace
} // namespace vfiobind::consoles_test
