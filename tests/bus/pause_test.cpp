// SPDX-License-Identifier: LGPL-2.1-or-later
// pause-units: what a rule names stands still for a bind, and runs again however that ends.
#include "fake_systemd.h"
#include "fixture.h"

#include <future>

namespace vfiobind::bustest::pause_test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string display = "gdm.service";
const std::string daemonOfTheCard = "nvidia-persistenced.service";

class PauseTest : public BusTest {
protected:
    void startPausing() {
        configure("[[bind]]\nname = \"card\"\ndevices = [\"" + std::string(gpu) +
                  "\"]\nwhen = \"asked\"\npause-units = [\"" + display + "\", \"" + daemonOfTheCard +
                  "\"]\n");
        start();
    }
    /// On another connection, while this thread goes on.
    static std::future<Refusal> bindThatFails() {
        return std::async(std::launch::async, [] {
            const auto connection = bus::openSessionBus();
            Manager manager(*connection);
            return refusalOf([&] { (void)manager.Bind("card", Options{}); });
        });
    }
    static bool bothRun(const FakeSystemd& systemd) {
        return systemd.runs(display) && systemd.runs(daemonOfTheCard);
    }
};

TEST_F(PauseTest, UnitsStandStillWhileTheGroupIsBound) {
    FakeSystemd systemd({display, daemonOfTheCard});
    startPausing();
    EXPECT_THAT(client().check("card").steps,
                testing::AllOf(Contains("stop " + display), Contains("stop " + daemonOfTheCard)));
    EXPECT_TRUE(bothRun(systemd)) << "a check stops nothing";
    client().bindAndWait("card");
    EXPECT_THAT(systemd.jobs(2), ElementsAre("stop " + display, "stop " + daemonOfTheCard));
    client().releaseAndWait("card");
    EXPECT_THAT(systemd.jobs(4), testing::IsSupersetOf({"start " + daemonOfTheCard, "start " + display}));
    EXPECT_EQ(systemd.jobs(4)[2], "start " + daemonOfTheCard) << "the one that was stopped last comes first";
}

TEST_F(PauseTest, AUnitThatDidNotRunStaysSo) {
    FakeSystemd systemd({daemonOfTheCard});
    startPausing();
    client().bindAndWait("card");
    client().releaseAndWait("card");
    EXPECT_THAT(systemd.jobs(2), ElementsAre("stop " + daemonOfTheCard, "start " + daemonOfTheCard));
    settle();
    EXPECT_FALSE(systemd.runs(display));
}

TEST_F(PauseTest, WhatIsRefusedBeforeStopsNothing) {
    FakeSystemd systemd({display, daemonOfTheCard});
    startPausing();
    EXPECT_EQ(refusalOf([&] { client().bind("card", {{"driver", text("no-such-driver")}}); }).name,
              "DriverMissing");
    EXPECT_TRUE(bothRun(systemd));
    EXPECT_THAT(systemd.jobs(0), IsEmpty());
}

/// With the units stopped, another program has taken the card.
TEST_F(PauseTest, WhatIsRefusedAfterwardsStartsThemAgain) {
    FakeSystemd systemd({display, daemonOfTheCard});
    startPausing();
    systemd.holdStops();
    auto refused = bindThatFails();
    (void)systemd.jobs(1);
    tell("echo /sys/bus/pci/devices/" + audio + "/driver_override pci-stub");
    systemd.finishStops();
    EXPECT_THAT(systemd.jobs(4), testing::IsSupersetOf({"start " + daemonOfTheCard, "start " + display}));
    EXPECT_THAT(refused.get().message, HasSubstr("foreign-driver-override: "));
    EXPECT_TRUE(bothRun(systemd));
    EXPECT_EQ(driverOf(gpu), "nouveau");
}

TEST_F(PauseTest, AJobThatFailsStartsThemAgain) {
    FakeSystemd systemd({display, daemonOfTheCard});
    startPausing();
    tell("fail-at vfio-pci/bind EBUSY 9");
    const auto jobs = client().bind("card", Options{});
    ASSERT_EQ(jobs.size(), 1U);
    EXPECT_EQ(client().resultOf(jobs[0]), "rolled-back");
    (void)systemd.jobs(4);
    EXPECT_TRUE(bothRun(systemd));
}

TEST_F(PauseTest, TheDaemonsDeathStartsThemAgain) {
    FakeSystemd systemd({display, daemonOfTheCard});
    startPausing();
    systemd.holdStops();
    auto lost = bindThatFails();
    (void)systemd.jobs(1);
    restart();
    EXPECT_EQ(lost.get().name, "org.freedesktop.DBus.Error.NoReply");
    EXPECT_THAT(systemd.jobs(2), ElementsAre("stop " + display, "start " + display));
    EXPECT_TRUE(bothRun(systemd));
    EXPECT_EQ(driverOf(gpu), "nouveau");
}

} // namespace
} // namespace vfiobind::bustest::pause_test
