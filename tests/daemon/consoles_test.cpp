// SPDX-License-Identifier: LGPL-2.1-or-later
// A console that a bind has let go of comes back, also by a daemon that has not heard of the bind's end.
#include "core_fixture.h"
#include "show/views.h"

namespace vfiobind::daemon_consoles_test {
namespace {

const std::string bindFile = "/sys/class/vtconsole/vtcon1/bind";

class DaemonConsoles : public CoreTest {
protected:
    DaemonConsoles() {
        const auto place = "pci0000:00/0000:00:01.0/" + fakemachine::gpu;
        kernel_.putLink("/sys/class/graphics/fb0", "../../devices/" + place + "/graphics/fb0");
        kernel_.putFile("/sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
        kernel_.putFile(bindFile, "1\n", true);
        kernel_.putFile("/proc/consoles", "ttyS0                -W- (EC p a)    4:64\n");
        configure("[[bind]]\nname = \"card\"\ndevices = [\"" + fakemachine::gpu +
                  "\"]\nallow = [\"boot-display\", \"console\", \"display-in-use\"]\n");
        begin();
    }
    bool isConsoleBound() { return kernel_.read(bindFile) == "1"; }
};

/// The worker ended, and removed its journal, before a daemon could note that the group is ours.
TEST_F(DaemonConsoles, ComeBackThoughNoDaemonHeardOfTheBindsEnd) {
    ASSERT_EQ(core_->groupState(1), "bound") << groupView(*core_, 1).lastError;
    ASSERT_FALSE(isConsoleBound());
    core_.reset();
    ASSERT_TRUE(std::filesystem::remove(folder_ + "/state/ledger.json"));
    begin();
    ASSERT_EQ(core_->groupState(1), "bound");
    EXPECT_EQ(release(1), "");
    EXPECT_EQ(core_->groupState(1), "native");
    EXPECT_TRUE(isConsoleBound());
}

TEST_F(DaemonConsoles, ThatCannotBeTakenBackAreToldAndTheGroupGoesOn) {
    ASSERT_FALSE(isConsoleBound());
    kernel_.failWhen([](const FakeWrite& write) { return write.path == bindFile; }, Fault::error(EIO));
    EXPECT_EQ(release(1), "");
    EXPECT_EQ(core_->groupState(1), "native");
    EXPECT_THAT(groupView(*core_, 1).lastError, testing::HasSubstr(bindFile + ": EIO"));
    core_->change(Action::bind, {.groups = {1}}, {.allow = {"boot-display"}}, {.by = "a test"},
                  [](const auto&) {});
    comeToRest();
    ASSERT_EQ(core_->groupState(1), "bound");
    EXPECT_EQ(release(1), "");
    EXPECT_TRUE(isConsoleBound());
}

} // namespace
} // namespace vfiobind::daemon_consoles_test
