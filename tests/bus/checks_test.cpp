// SPDX-License-Identifier: LGPL-2.1-or-later
// Checks need no authority, and hold up nobody who has some.
#include "fixture.h"
#include "other_user.h"

#include <csignal>
#include <poll.h>

namespace vfiobind::bustest::checks_test {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t patience = 60'000'000; // microseconds

/// A connection that asks without waiting for answers.
class Asking {
public:
    Asking() :
        connection_(bus::openSessionBus()),
        proxy_(
            sdbus::createProxy(*connection_, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath})) {
        bus::finishRegistration(*proxy_);
    }
    void check(const std::string& target) {
        ++asked_;
        proxy_->callMethodAsync("Check")
            .onInterface(managerInterface)
            .withTimeout(std::chrono::microseconds(checks_test::patience))
            .withArguments(target, Options{})
            .uponReplyInvoke([this](bus::AsyncError error, bool,
                                    const std::vector<sdbus::Struct<std::string, std::string, std::string>>&,
                                    const std::vector<std::string>&) {
                answers_.push_back(
                    error ? std::string(error->getName()) + ": " + std::string(error->getMessage()) : "");
            });
        while (bus::processPending(*connection_)) {
        }
    }
    /// A Check without a reply, which nobody sends who wants to know.
    void checkInVain(const std::string& target) {
        auto call = newCheck();
        call << target << Options{};
        call.dontExpectReply();
        call.send(0);
    }
    /// The name of the error of a Check whose arguments are not those of one.
    std::string refusalOfMalformed() {
        auto call = newCheck();
        call << std::uint32_t{1};
        try {
            proxy_->callMethod(call, checks_test::patience);
        } catch (const sdbus::Error& error) {
            return error.getName();
        }
        return "none";
    }
    /// Waits for so many answers: "" for each that is none of an error.
    const std::vector<std::string>& answers(std::size_t count) {
        const Deadline deadline;
        while (answers_.size() < count) {
            if (deadline.passed())
                throw std::runtime_error("Checks are not answered");
            while (bus::processPending(*connection_)) {
            }
            auto request = bus::pollRequest(*connection_);
            if (answers_.size() < count)
                poll(request.fds.data(), request.fds.size(), 100);
        }
        return answers_;
    }
    std::size_t asked() const { return asked_; }
    /// Waits until the bus has handled all that was sent.
    void flush() {
        const auto driver = sdbus::createProxy(*connection_, bus::BusName{"org.freedesktop.DBus"},
                                               sdbus::ObjectPath{"/org/freedesktop/DBus"});
        auto call =
            driver->createMethodCall(bus::InterfaceName{"org.freedesktop.DBus"}, bus::MethodName{"GetId"});
        driver->callMethod(call, checks_test::patience);
    }

private:
    sdbus::MethodCall newCheck() {
        return proxy_->createMethodCall(bus::InterfaceName{managerInterface}, bus::MethodName{"Check"});
    }
    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<sdbus::IProxy> proxy_;
    std::vector<std::string> answers_;
    std::size_t asked_ = 0;
};

class ChecksTest : public BusTest {};

TEST_F(ChecksTest, WhoAsksTheSameSharesALook) {
    start();
    Asking asking;
    kill(daemonPid(), SIGSTOP);
    for (int i = 0; i < 6; ++i)
        asking.check(nic);
    asking.flush();
    kill(daemonPid(), SIGCONT);
    EXPECT_THAT(asking.answers(6), Each(""));
    EXPECT_EQ(tell("looks"), 1);
}

TEST_F(ChecksTest, OneUserHasFewUnanswered) {
    OtherUser user([] {
        Asking asking;
        for (int i = 0; i < 9; ++i)
            asking.check(i % 2 == 0 ? nic : twin);
        return asking.answers(1).front();
    });
    start();
    tell("silent-workers");
    user.go();
    EXPECT_THAT(user.report(),
                AllOf(HasSubstr("org.vfiobind1.Error.LimitsExceeded: "), HasSubstr("8 Checks of uid 65534")));
    tell("workers");
}

/// So that those who send them without end hold up nobody.
TEST_F(ChecksTest, OneTooManyIsRefusedBeforeItIsRead) {
    start();
    Asking asking;
    asking.check(gpu);
    EXPECT_THAT(asking.answers(1), Each("")); // the daemon knows who asks
    tell("silent-workers");
    for (int i = 0; i < 8; ++i)
        asking.check(i % 2 == 0 ? nic : twin);
    EXPECT_EQ(asking.refusalOfMalformed(), "org.vfiobind1.Error.LimitsExceeded");
    tell("workers");
}

TEST_F(ChecksTest, WhoWantsNoAnswerGetsNoLook) {
    start();
    Asking asking;
    for (int i = 0; i < 3; ++i)
        asking.checkInVain(nic);
    asking.check(twin);
    EXPECT_THAT(asking.answers(1), Each(""));
    EXPECT_EQ(tell("looks"), 1);
}

/// Root's connections are many programs.
TEST_F(ChecksTest, RootsProgramsAreCountedEachByItself) {
    start();
    tell("silent-workers");
    Asking one;
    for (int i = 0; i < 9; ++i)
        one.check(nic);
    EXPECT_THAT(one.answers(1).front(), HasSubstr("LimitsExceeded"));
    tell("workers");
    Asking another;
    another.check(gpu);
    EXPECT_THAT(another.answers(1), Each(""));
}

/// The looks of these Checks never end.
TEST_F(ChecksTest, AChangeWaitsForNoCheck) {
    start();
    tell("silent-workers");
    Asking asking;
    for (const auto& target : {nic, twin, gpu})
        asking.check(target);
    asking.flush();
    client().root("Version"); // answered after them
    tell("workers");
    EXPECT_THAT(client().bindAndWait("8086:10d3"), testing::ElementsAre("done", "done"));
    asking.answers(3);
}

/// A look takes of the processor what the change needs; but a job that hangs holds up no Check for long.
TEST_F(ChecksTest, NoLookBeginsBesideAChangeIfThatIsSoonOver) {
    start();
    tell("hang-at e1000e/unbind <- " + nic);
    ASSERT_EQ(client().bind(nic).size(), 1U);
    Asking asking;
    const auto asked = std::chrono::steady_clock::now();
    asking.check(gpu);
    EXPECT_THAT(asking.answers(1), Each(""));
    EXPECT_GE(std::chrono::steady_clock::now() - asked, std::chrono::seconds(2));
    asking.check(gpu);
    asking.flush();
    client().root("Version"); // answered after it
    tell("finish-hang");
    const auto ended = std::chrono::steady_clock::now();
    asking.answers(2);
    EXPECT_LT(std::chrono::steady_clock::now() - ended, std::chrono::milliseconds(1500));
}

TEST_F(ChecksTest, TenThousandAreAllAnswered) {
    OtherUser user([] {
        Asking asking;
        for (int i = 0; i < 10000; ++i)
            asking.check(i % 3 == 0 ? nic : i % 3 == 1 ? twin : gpu);
        std::size_t looked = 0;
        for (const auto& answer : asking.answers(asking.asked()))
            looked += answer.empty() ? 1 : 0;
        return looked > 0 ? "all" : "none was looked at";
    });
    start();
    user.go();
    for (int i = 0; i < 3; ++i) {
        EXPECT_THAT(client().bindAndWait(nic), testing::ElementsAre("done"));
        EXPECT_THAT(client().releaseAndWait(nic), testing::ElementsAre("done"));
    }
    EXPECT_EQ(user.report(), "all");
}

/// The bus tells who calls. While it does not, all else goes on.
TEST_F(ChecksTest, ABusThatIsSlowHoldsNothingUp) {
    start();
    Asking asking;
    kill(daemonPid(), SIGSTOP);
    asking.check(nic);
    asking.flush();
    kill(busPid(), SIGSTOP);
    kill(daemonPid(), SIGCONT);
    const auto started = std::chrono::steady_clock::now();
    tell("hotplug " + networkCard("0000:04:00.0", 7).dump());
    tell("unplug 0000:04:00.0");
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(15))
        << "the event loop waits for the bus";
    kill(busPid(), SIGCONT);
    EXPECT_THAT(asking.answers(1), Each(""));
}

} // namespace
} // namespace vfiobind::bustest::checks_test
