// SPDX-License-Identifier: LGPL-2.1-or-later
// A console that a bind has let go of comes back, also by a daemon that has not heard of the bind's end.
#include "core.h"
#include "fake/fake_lease_store.h"
#include "fake/machine.h"
#include "fake_modules.h"
#include "inline_executor.h"
#include "loop_sysfs.h"
#include "show/views.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <systemd/sd-event.h>

namespace vfiobind::daemon_consoles_test {
namespace {

const std::string bindFile = "/sys/class/vtconsole/vtcon1/bind";

class DaemonConsoles : public testing::Test {
protected:
    DaemonConsoles() {
        const auto place = "pci0000:00/0000:00:01.0/" + fakemachine::gpu;
        kernel_.putLink("/sys/class/graphics/fb0", "../../devices/" + place + "/graphics/fb0");
        kernel_.putFile("/sys/class/vtconsole/vtcon1/name", "(M) frame buffer device\n");
        kernel_.putFile(bindFile, "1\n", true);
        kernel_.putFile("/proc/consoles", "ttyS0                -W- (EC p a)    4:64\n");
        std::filesystem::create_directories(folder_ + "/state");
        std::ofstream(folder_ + "/vfio-bind.toml")
            << "[[bind]]\nname = \"card\"\ndevices = [\"" << fakemachine::gpu
            << "\"]\nallow = [\"boot-display\", \"console\", \"display-in-use\"]\n";
        begin();
    }
    ~DaemonConsoles() override {
        core_.reset();
        std::filesystem::remove_all(folder_);
    }
    void begin() {
        core_.emplace(
            loop_, sysfs_, executor_, modules_, store_,
            Core::Files{.config = folder_ + "/vfio-bind.toml", .stateDirectory = folder_ + "/state"});
        core_->start();
        comeToRest();
    }
    void comeToRest() {
        do
            ASSERT_GE(sd_event_run(loop_.raw(), 0), 0);
        while (!executor_.idle() || !modules_.idle() || sd_event_run(loop_.raw(), 0) > 0);
    }
    std::string release() {
        std::string refusal = "no answer";
        core_->change(Action::release, {.groups = {1}}, {}, {.by = "a test"}, [&refusal](const auto& jobs) {
            refusal = jobs ? std::string{} : jobs.error().sentence;
        });
        comeToRest();
        return refusal;
    }
    bool isConsoleBound() { return kernel_.read(bindFile) == "1"; }

    std::string folder_ = [] {
        std::string name = (std::filesystem::temp_directory_path() / "vfio-bind-consoles-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr)
            throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
        return name;
    }();
    EventLoop loop_;
    FakeKernel kernel_ = fakemachine::machine();
    LoopSysfs sysfs_{kernel_};
    InlineExecutor executor_{loop_, kernel_, folder_ + "/state"};
    FakeModules modules_{loop_, kernel_};
    FakeLeaseStore store_;
    std::optional<Core> core_;
};

/// The worker ended, and removed its journal, before a daemon could note that the group is ours.
TEST_F(DaemonConsoles, ComeBackThoughNoDaemonHeardOfTheBindsEnd) {
    ASSERT_EQ(core_->groupState(1), "bound") << groupView(*core_, 1).lastError;
    ASSERT_FALSE(isConsoleBound());
    core_.reset();
    ASSERT_TRUE(std::filesystem::remove(folder_ + "/state/ledger.json"));
    begin();
    ASSERT_EQ(core_->groupState(1), "bound");
    EXPECT_EQ(release(), "");
    EXPECT_EQ(core_->groupState(1), "native");
    EXPECT_TRUE(isConsoleBound());
}

TEST_F(DaemonConsoles, ThatCannotBeTakenBackAreToldAndTheGroupGoesOn) {
    ASSERT_FALSE(isConsoleBound());
    kernel_.failWhen([](const FakeWrite& write) { return write.path == bindFile; }, Fault::error(EIO));
    EXPECT_EQ(release(), "");
    EXPECT_EQ(core_->groupState(1), "native");
    EXPECT_THAT(groupView(*core_, 1).lastError, testing::HasSubstr(bindFile + ": EIO"));
    core_->change(Action::bind, {.groups = {1}}, {.allow = {"boot-display"}}, {.by = "a test"},
                  [](const auto&) {});
    comeToRest();
    ASSERT_EQ(core_->groupState(1), "bound");
    EXPECT_EQ(release(), "");
    EXPECT_TRUE(isConsoleBound());
}

} // namespace
} // namespace vfiobind::daemon_consoles_test
