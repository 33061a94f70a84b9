// SPDX-License-Identifier: LGPL-2.1-or-later
// A driver of VFIO is known by what the kernel says of its device, whatever it is called.
#include "core_fixture.h"
#include "show/views.h"

#include <stdexcept>

namespace vfiobind::any_name_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class AnyName : public CoreTest {
protected:
    AnyName() {
        kernel_.addDriver({.name = "cardpass", .module = "cardpass", .managedDma = true, .vfio = true});
        const std::string device = fakemachine::devices + fakemachine::nic;
        if (!kernel_.writeAsOther(device + "/driver_override", "cardpass") ||
            !kernel_.writeAsOther(device + "/driver/unbind", fakemachine::nic) ||
            !kernel_.writeAsOther(fakemachine::drivers + "cardpass/bind", fakemachine::nic))
            throw std::logic_error("cardpass does not take the card");
    }
};

TEST_F(AnyName, WhatIsOnSuchADriverIsBoundAndCanBeReleased) {
    configure("[[bind]]\nname = \"card\"\ndevices = [\"" + fakemachine::nic + "\"]\n");
    begin();
    EXPECT_EQ(core_->groupState(3), "bound") << groupView(*core_, 3).lastError;
    EXPECT_EQ(groupView(*core_, 3).driver, "cardpass");
    EXPECT_TRUE(groupView(*core_, 3).viable);
    EXPECT_EQ(kernel_.driverOf(fakemachine::nic), "cardpass");
    EXPECT_EQ(release(3), "");
    EXPECT_EQ(core_->groupState(3), "native") << groupView(*core_, 3).lastError;
    EXPECT_EQ(kernel_.driverOf(fakemachine::nic), "e1000e");
}

TEST_F(AnyName, WhatAnotherProgramHasPutThereStays) {
    configure("");
    begin();
    EXPECT_EQ(groupView(*core_, 3).driver, "cardpass");
    EXPECT_THAT(release(3), HasSubstr("is on cardpass, but not by vfio-bind"));
    EXPECT_EQ(kernel_.driverOf(fakemachine::nic), "cardpass");
}

} // namespace
} // namespace vfiobind::any_name_test
