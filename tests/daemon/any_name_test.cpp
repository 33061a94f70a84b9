// SPDX-License-Identifier: LGPL-2.1-or-later
// A driver of VFIO is known by what the kernel says of its device, whatever it is called.
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

namespace vfiobind::any_name_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class AnyName : public testing::Test {
protected:
    AnyName() {
        kernel_.addDriver({.name = "cardpass", .module = "cardpass", .managedDma = true, .vfio = true});
        const std::string device = fakemachine::devices + fakemachine::nic;
        if (!kernel_.writeAsOther(device + "/driver_override", "cardpass") ||
            !kernel_.writeAsOther(device + "/driver/unbind", fakemachine::nic) ||
            !kernel_.writeAsOther(fakemachine::drivers + "cardpass/bind", fakemachine::nic))
            throw std::logic_error("cardpass does not take the card");
        std::filesystem::create_directories(folder_ + "/state");
    }
    ~AnyName() override {
        core_.reset();
        std::filesystem::remove_all(folder_);
    }
    void begin(const std::string& configuration) {
        std::ofstream(folder_ + "/vfio-bind.toml") << configuration;
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
        core_->change(Action::release, {.groups = {3}}, {}, {.by = "a test"}, [&refusal](const auto& jobs) {
            refusal = jobs ? std::string{} : jobs.error().sentence;
        });
        comeToRest();
        return refusal;
    }

    std::string folder_ = [] {
        std::string name = (std::filesystem::temp_directory_path() / "vfio-bind-name-XXXXXX").string();
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

TEST_F(AnyName, WhatIsOnSuchADriverIsBoundAndCanBeReleased) {
    begin("[[bind]]\nname = \"card\"\ndevices = [\"" + fakemachine::nic + "\"]\n");
    EXPECT_EQ(core_->groupState(3), "bound") << groupView(*core_, 3).lastError;
    EXPECT_EQ(groupView(*core_, 3).driver, "cardpass");
    EXPECT_TRUE(groupView(*core_, 3).viable);
    EXPECT_EQ(kernel_.driverOf(fakemachine::nic), "cardpass");
    EXPECT_EQ(release(), "");
    EXPECT_EQ(core_->groupState(3), "native") << groupView(*core_, 3).lastError;
    EXPECT_EQ(kernel_.driverOf(fakemachine::nic), "e1000e");
}

TEST_F(AnyName, WhatAnotherProgramHasPutThereStays) {
    begin("");
    EXPECT_EQ(groupView(*core_, 3).driver, "cardpass");
    EXPECT_THAT(release(), HasSubstr("is on cardpass, but not by vfio-bind"));
    EXPECT_EQ(kernel_.driverOf(fakemachine::nic), "cardpass");
}

} // namespace
} // namespace vfiobind::any_name_test
