// SPDX-License-Identifier: LGPL-2.1-or-later
/// A daemon's heart that can be ended and begun again, on the fake kernel and with files of its own.
#pragma once

#include "core.h"
#include "fake/fake_lease_store.h"
#include "fake/machine.h"
#include "fake_modules.h"
#include "inline_executor.h"
#include "loop_sysfs.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <system_error>
#include <systemd/sd-event.h>

namespace vfiobind {

class CoreTest : public testing::Test {
protected:
    CoreTest() { std::filesystem::create_directories(folder_ + "/state"); }
    ~CoreTest() override {
        core_.reset();
        std::filesystem::remove_all(folder_);
    }
    void configure(const std::string& text) { std::ofstream(folder_ + "/vfio-bind.toml") << text; }
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
    /// Returns the refusal; empty where there is none.
    std::string release(unsigned group) {
        std::string refusal = "no answer";
        core_->change(
            Action::release, {.groups = {group}}, {}, {.by = "a test"},
            [&refusal](const auto& jobs) { refusal = jobs ? std::string{} : jobs.error().sentence; });
        comeToRest();
        return refusal;
    }

    std::string folder_ = [] {
        std::string name = (std::filesystem::temp_directory_path() / "vfio-bind-core-XXXXXX").string();
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

} // namespace vfiobind
