// SPDX-License-Identifier: LGPL-2.1-or-later
// Who may change what: polkit is asked for all but root, and nothing waits for it.
#include "fake_polkit.h"
#include "fixture.h"
#include "other_user.h"

#include <cstdint>
#include <functional>

namespace vfiobind::bustest::authority_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using Word = FakePolkit::Word;

const std::string denied = "AccessDenied: ";
constexpr std::uint64_t patience = 60'000'000; // microseconds

/// `done`, or the error's last word and its sentence.
std::string outcome(const std::function<void()>& call) {
    try {
        call();
        return "done";
    } catch (const sdbus::Error& error) {
        const std::string name = error.getName();
        return name.substr(name.rfind('.') + 1) + ": " + std::string(error.getMessage());
    }
}

std::string call(const std::string& method, const std::string& target, const Options& options = {}) {
    return outcome([&] {
        const auto connection = bus::openSessionBus();
        const auto proxy =
            sdbus::createProxy(*connection, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath});
        auto message = proxy->createMethodCall(bus::InterfaceName{managerInterface}, bus::MethodName{method});
        message << target << options;
        proxy->callMethod(message, patience);
    });
}

std::string callInteractively(const std::string& method, const std::string& target) {
    return outcome([&] {
        const auto connection = bus::openSessionBus();
        bus::callInteractively(*connection, bus::rootPath, managerInterface, method, patience, target,
                               Options{});
    });
}

class AuthorityTest : public BusTest {
protected:
    /// What the other user's call comes to.
    std::string asked(std::map<std::string, Word> words, std::function<std::string()> act) {
        OtherUser user(std::move(act));
        start();
        const FakePolkit polkit(std::move(words));
        user.go();
        return user.report();
    }
};

TEST_F(AuthorityTest, WhatPolkitAllowsIsDone) {
    OtherUser user([] { return call("Bind", nic); });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::yes}});
    user.go();
    EXPECT_EQ(user.report(), "done");
    client().waitForState(3, "bound");
    const auto calls = polkit.calls(1);
    ASSERT_EQ(calls.size(), 1U);
    EXPECT_THAT(calls[0].subject, StartsWith("system-bus-name :1."));
    EXPECT_EQ(calls[0].action, "org.vfiobind1.bind");
    EXPECT_EQ(
        calls[0].details,
        (std::map<std::string, std::string>{
            {"group", "3"}, {"devices", nic}, {"driver", "auto"}, {"method", "override"}, {"allow", ""}}));
    EXPECT_FALSE(calls[0].mayAskUser);
    EXPECT_THAT(log(), HasSubstr("bind begins (uid 65534 "));
}

TEST_F(AuthorityTest, ARuleSeesEveryDeviceOfTheGroup) {
    OtherUser user([] { return call("Bind", gpu, {{"driver", text("vfio-pci")}}); });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::no}});
    user.go();
    EXPECT_THAT(user.report(), StartsWith(denied));
    const auto details = polkit.calls(1)[0].details;
    EXPECT_EQ(details.at("devices"), gpu + ' ' + audio);
    EXPECT_EQ(details.at("driver"), "vfio-pci");
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(AuthorityTest, GuardsAndFilesAreActionsOfTheirOwn) {
    OtherUser user([] {
        auto report = call("Bind", nic, {{"allow", texts({"mounted"})}});
        report += '\n' + call("Release", nic, {{"persist", sdbus::Variant(true)}});
        return report;
    });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::yes}, {"org.vfiobind1.release", Word::yes}});
    user.go();
    const auto report = user.report();
    EXPECT_THAT(report, HasSubstr("(org.vfiobind1.override-guard)"));
    EXPECT_THAT(report, HasSubstr("(org.vfiobind1.persist)"));
    EXPECT_EQ(polkit.calls(2)[1].details.at("allow"), "mounted");
    EXPECT_THAT(writes(), IsEmpty());
}

/// The module of such a driver would be loaded before any guard looks, and its probe would run on the card.
TEST_F(AuthorityTest, AGrantForACardIsNoGrantForAnyDriver) {
    OtherUser user([] {
        auto report = call("Bind", nic, {{"driver", text("dummy")}});
        report += '\n' + call("Bind", nic, {{"driver", text("vfio_pci")}});
        return report;
    });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::yes}});
    user.go();
    EXPECT_THAT(user.report(), AllOf(HasSubstr("(org.vfiobind1.choose-driver)"), testing::EndsWith("done")));
    client().waitForState(3, "bound");
    EXPECT_EQ(polkit.calls(2)[1].action, "org.vfiobind1.choose-driver");
}

TEST_F(AuthorityTest, ReloadIsAskedFor) {
    const auto reload = [] {
        return outcome([] {
            const auto connection = bus::openSessionBus();
            Manager(*connection).Reload();
        });
    };
    EXPECT_EQ(asked({{"org.vfiobind1.reload", Word::yes}}, reload), "done");
}

TEST_F(AuthorityTest, TheUserIsAskedWhereTheCallAllowsIt) {
    OtherUser user([] {
        auto report = call("Bind", nic);
        report += '\n' + callInteractively("Bind", nic);
        return report;
    });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::afterAuthentication}});
    user.go();
    const auto report = user.report();
    EXPECT_THAT(report, StartsWith("InteractiveAuthorizationRequired: "));
    EXPECT_THAT(report, testing::EndsWith("\ndone"));
    EXPECT_TRUE(polkit.calls(3)[2].mayAskUser);
}

TEST_F(AuthorityTest, WithoutAnAgentItIsADenial) {
    EXPECT_THAT(asked({{"org.vfiobind1.bind", Word::noAgent}}, [] { return callInteractively("Bind", nic); }),
                StartsWith(denied));
    EXPECT_THAT(writes(), IsEmpty());
}

TEST_F(AuthorityTest, WithoutPolkitOthersAreDeniedAndRootIsNot) {
    OtherUser user([] { return call("Bind", nic); });
    start();
    user.go();
    EXPECT_THAT(user.report(),
                StartsWith(denied + "polkit, which says what uid 65534 may do, does not answer"));
    EXPECT_EQ(call("Bind", nic), "done");
}

/// Root binds and everybody reads meanwhile.
TEST_F(AuthorityTest, AHungPolkitHoldsUpNobodyElse) {
    OtherUser user([] { return call("Bind", nic); });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::silence}});
    user.go();
    (void)polkit.calls(1);
    EXPECT_EQ(call("Bind", twin), "done");
    client().waitForState(5, "bound");
    EXPECT_EQ(client().group(3, "State"), "native");
    EXPECT_THAT(user.report(), StartsWith(denied + "polkit, which says"));
    polkit.waitForCancel();
    EXPECT_EQ(driverOf(nic), "e1000e");
}

TEST_F(AuthorityTest, WhoGoesAwayIsForgotten) {
    OtherUser user([] { return callInteractively("Bind", nic); });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::silenceWhenAsked}});
    user.go();
    (void)polkit.calls(2);
    user.kill();
    polkit.waitForCancel();
    settle();
    EXPECT_THAT(log(), HasSubstr("went away before it was authorised"));
    EXPECT_THAT(writes(), IsEmpty());
}

/// What was allowed was another thing.
TEST_F(AuthorityTest, WhatChangedMeanwhileIsNotDone) {
    OtherUser user([] { return call("Bind", "8086:10d3"); });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::yesLater}});
    user.go();
    EXPECT_EQ(polkit.calls(1)[0].details.at("devices"), nic + ' ' + twin);
    tell("unplug " + twin);
    settle();
    polkit.sayYes();
    EXPECT_THAT(user.report(), StartsWith("Busy: devices came or went"));
    EXPECT_THAT(writes(), IsEmpty());
}

/// Who was authorised for a group was authorised for the devices that it had.
TEST_F(AuthorityTest, AGroupThatGrowsBeforeTheFirstWriteIsRefused) {
    start();
    tell("hotplug-at-word " + networkCard("0000:01:00.2", 1, "10de:1ad8").dump());
    EXPECT_THAT(client().bindAndWait(gpu), testing::ElementsAre("failed"));
    EXPECT_THAT(
        client().group(1, "LastError").get<std::string>(),
        HasSubstr("0000:01:00.2 (10de:1ad8) has come to group 1 since this was asked for; ask again"));
    EXPECT_THAT(writes(), IsEmpty());
    EXPECT_THAT(client().bindAndWait(gpu), testing::ElementsAre("done"));
    EXPECT_EQ(driverOf("0000:01:00.2"), "vfio-pci");
}

TEST_F(AuthorityTest, OneUserCannotAskWithoutEnd) {
    OtherUser user([] {
        const auto connection = bus::openSessionBus();
        const auto proxy =
            sdbus::createProxy(*connection, bus::BusName{bus::busName}, sdbus::ObjectPath{bus::rootPath});
        bus::finishRegistration(*proxy);
        std::string first;
        for (int i = 0; i < 17; ++i)
            proxy->callMethodAsync("Bind")
                .onInterface(managerInterface)
                .withTimeout(patience)
                .withArguments(nic, Options{})
                .uponReplyInvoke([&](bus::AsyncError error, const std::vector<sdbus::ObjectPath>&) {
                    if (first.empty() && error)
                        first = error->getMessage();
                });
        while (first.empty()) {
            while (bus::processPending(*connection)) {
            }
            auto request = bus::pollRequest(*connection);
            if (first.empty())
                poll(request.fds.data(), request.fds.size(), request.timeout);
        }
        return first;
    });
    start();
    FakePolkit polkit({{"org.vfiobind1.bind", Word::silence}});
    user.go();
    EXPECT_THAT(user.report(), HasSubstr("16 requests that wait"));
}

} // namespace
} // namespace vfiobind::bustest::authority_test
