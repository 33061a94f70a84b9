// SPDX-License-Identifier: LGPL-2.1-or-later
#include "run/own_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::ctl::own_place_test {
namespace {

const OwnPlace desktop{.controlGroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/term.scope",
                       .sessionType = "wayland",
                       .sessionService = "gdm-password",
                       .displayManager = "gdm.service"};

TEST(OwnPlace, EndsWithTheUnitThatItBelongsTo) {
    const OwnPlace service{.controlGroup = "/system.slice/vms.service/one"};
    EXPECT_EQ(endsWithIt(service, {"gdm.service", "vms.service"}), "vms.service");
    EXPECT_EQ(endsWithIt(service, {"gdm.service", "one.service"}), std::nullopt);
    EXPECT_EQ(endsWithIt(service, {}), std::nullopt);
    EXPECT_EQ(endsWithIt({.controlGroup = "/system.slice/my-vms.service"}, {"vms.service"}), std::nullopt);
}

TEST(OwnPlace, EndsWithTheDisplayManagerOfItsSession) {
    EXPECT_EQ(endsWithIt(desktop, {"nvidia-persistenced.service", "gdm.service"}), "gdm.service");
    EXPECT_EQ(endsWithIt(desktop, {"gdm3.service"}), "gdm3.service"); // the same under Debian's name
    EXPECT_EQ(endsWithIt(desktop, {"display-manager.service"}), "display-manager.service");
    EXPECT_EQ(endsWithIt(desktop, {"sddm.service"}), std::nullopt);
    auto text = desktop;
    text.sessionType = "tty";
    EXPECT_EQ(endsWithIt(text, {"gdm.service"}), std::nullopt) << "a text login outlives the display manager";
    auto other = desktop;
    other.sessionService = "login";
    other.displayManager = "lightdm.service";
    EXPECT_EQ(endsWithIt(other, {"gdm.service"}), std::nullopt);
}

TEST(OwnPlace, TheSentenceHasTheSameCommandAsAUnit) {
    EXPECT_THAT(
        endingSentence("gdm.service", {"vfio-bindctl", "run", "card", "--", "sh", "-c", "echo 'a' $B"}, 1000),
        testing::EndsWith("\nsystemd-run --collect --same-dir --uid=1000 vfio-bindctl run card -- sh -c "
                          R"('echo '\''a'\'' $B')"));
    EXPECT_THAT(endingSentence("gdm.service", {"vfio-bindctl", "hold", ""}, 0),
                testing::EndsWith("\nsystemd-run --collect --same-dir vfio-bindctl hold ''"));
    EXPECT_THAT(endingSentence("gdm.service", {"x"}, 0),
                testing::StartsWith("gdm.service is stopped for this"));
}

TEST(OwnPlace, ItsCommandLineIsKnown) {
    EXPECT_THAT(ownCommandLine(), testing::Not(testing::IsEmpty()));
    EXPECT_THAT(ownPlace().controlGroup, testing::AnyOf(testing::IsEmpty(), testing::StartsWith("/")));
}

} // namespace
} // namespace vfiobind::ctl::own_place_test
