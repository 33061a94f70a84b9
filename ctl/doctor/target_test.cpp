// SPDX-License-Identifier: LGPL-2.1-or-later
// What the doctor says of a target.
#include "doctor/test_machine.h"
#include "host_sysfs.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl::doctor_target_test {
namespace {

using namespace doctortest;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Doctor, ATargetThatCanBePassedThrough) {
    auto kernel = goodMachine();
    putConfig(kernel, nic, configWith({msi, msix}));
    const auto diagnosis = diagnose(kernel, context("02:00.0"));
    EXPECT_TRUE(diagnosis.possible());
    EXPECT_THAT(renderDiagnosis(diagnosis, Style{.columns = 0}),
                testing::EndsWith("ok             group 3 has no other member\n"
                                  "ok             nothing uses group 3\n"
                                  "ok             0000:02:00.0 can be reset (flr bus)\n"
                                  "ok             0000:02:00.0 has MSI and MSI-X\n"
                                  "\n"
                                  "02:00.0 can be passed through.\n"));
}

TEST(Doctor, WhatStandsAgainstATargetIsAnErrorWithItsWayOut) {
    auto kernel = goodMachine();
    const auto diagnosis = diagnose(kernel, context("10de:1284"));
    EXPECT_FALSE(diagnosis.possible());
    EXPECT_THAT(about(diagnosis, "boot-display"), testing::ElementsAre(HasSubstr("--allow boot-display")));
    EXPECT_THAT(about(diagnosis, "isolation"),
                testing::ElementsAre(
                    "note isolation: group 1 is handed over as a whole: 0000:01:00.0, 0000:01:00.1"));
    const auto json = nlohmann::json::parse(diagnosisJson(diagnosis));
    EXPECT_EQ(json["possible"], false);
    EXPECT_EQ(json["target"], "10de:1284");
    EXPECT_TRUE(std::ranges::any_of(json["findings"], [](const auto& finding) {
        return finding["topic"] == "boot-display" && finding["level"] == "error" && finding["device"] == gpu;
    }));
}

/// What doctor says of the rule x of this configuration.
Diagnosis aboutRule(const Sysfs& kernel, const std::string& settings) {
    const auto file = testing::TempDir() + "doctor-rule.toml";
    std::ofstream(file) << "[[bind]]\nname = \"x\"\n" << settings;
    auto given = context("x");
    given.config = file;
    const auto diagnosis = diagnose(kernel, given);
    std::filesystem::remove(file);
    return diagnosis;
}

// cases 11, 12, 19
TEST(Doctor, ARuleIsJudgedWithAllThatItSays) {
    const auto kernel = goodMachine();
    EXPECT_TRUE(aboutRule(kernel, "devices = [\"0000:02:00.0\"]\n").possible());
    const auto mismatch =
        aboutRule(kernel, "devices = [{ address = \"0000:02:00.0\", id = \"10de:ffff\" }]\n");
    EXPECT_THAT(about(mismatch, "id-mismatch"), testing::ElementsAre(HasSubstr("error id-mismatch: ")));
    EXPECT_FALSE(mismatch.possible());
    EXPECT_THAT(about(aboutRule(kernel, "devices = [\"8086:10d3\"]\ncount = 2\n"), "ambiguous"),
                testing::ElementsAre(HasSubstr("rule x expects 2 device(s) and 1 match")));
    EXPECT_FALSE(aboutRule(kernel, "devices = [\"0000:01:00.0\"]\n").possible());
    const auto allowed = aboutRule(kernel, "devices = [\"0000:01:00.0\"]\nallow = [\"boot-display\"]\n");
    EXPECT_THAT(about(allowed, "boot-display"),
                testing::ElementsAre(testing::StartsWith("note boot-display: rule x allows it: ")));
    EXPECT_THAT(about(allowed, "blockers"), IsEmpty()) << "that nothing uses the group would be wrong";
    EXPECT_TRUE(allowed.possible());
    EXPECT_THAT(about(diagnose(kernel, context("01:00.0")), "boot-display"),
                testing::ElementsAre(testing::StartsWith("error boot-display: ")));
    const auto variant = aboutRule(kernel, "devices = [\"0000:02:00.0\"]\ndriver = \"mlx5_vfio_pci\"\n");
    EXPECT_THAT(about(variant, "modules"),
                Contains(HasSubstr("error modules: mlx5_vfio_pci is not installed")));
    EXPECT_FALSE(variant.possible());
}

TEST(Doctor, AGroupThatIsBoundIsNotJudgedByItsGuards) {
    auto kernel = goodMachine();
    toVfio(kernel, gpu);
    toVfio(kernel, audio);
    const auto diagnosis = diagnose(kernel, context("group/1"));
    EXPECT_THAT(about(diagnosis, "blockers"),
                testing::ElementsAre("ok blockers: group 1 is with VFIO already"));
    EXPECT_THAT(about(diagnosis, "boot-display"), IsEmpty());
}

TEST(Doctor, WhatOnlyRootCanTellIsNotTakenForGood) {
    auto kernel = goodMachine();
    putConfig(kernel, nic, std::string(64, '\x01'));
    EXPECT_THAT(about(diagnose(kernel, context("02:00.0", false)), "msi"),
                testing::ElementsAre(HasSubstr("whether 0000:02:00.0 has MSI or MSI-X cannot be told")));
    kernel.addNode({"pci0000:00/0000:00:02.0/0000:02:00.0/drm/card0", "drm", "226:0", "dri/card0"});
    kernel.openNode({.pid = 433, .program = "agetty", .number = "4:1"});
    HostSysfs hidden(kernel); // as an ordinary user meets others' processes
    hidden.errors = {{"/proc/433/fd", EACCES}};
    const auto diagnosis = diagnose(hidden, context("02:00.0", false));
    EXPECT_THAT(about(diagnosis, "display-in-use"), testing::ElementsAre(HasSubstr("-> run it as root")));
    EXPECT_FALSE(diagnosis.possible());
    EXPECT_FALSE(diagnosis.certain());
    EXPECT_THAT(renderDiagnosis(diagnosis, Style{.columns = 0}),
                testing::EndsWith("Whether 02:00.0 can be passed through cannot be told: run it as root.\n"));
}

TEST(Doctor, CardsWithoutMessageSignalledInterrupts) {
    auto kernel = goodMachine();
    putConfig(kernel, nic, configWith({}));
    EXPECT_THAT(about(diagnose(kernel, context("02:00.0")), "msi"),
                testing::ElementsAre(
                    HasSubstr("warning msi: 0000:02:00.0 has neither MSI nor MSI-X: Cloud Hypervisor")));
    putConfig(kernel, nic, configWith({msi}));
    EXPECT_THAT(about(diagnose(kernel, context("02:00.0")), "msi"),
                testing::ElementsAre("ok msi: 0000:02:00.0 has MSI"));
    putConfig(kernel, gpu, configWith({msi}));
    EXPECT_THAT(about(diagnose(kernel, context("01:00.0")), "msi"),
                Contains(HasSubstr("which NVIDIA's own driver wants")));
}

TEST(Doctor, ADeviceThatCannotBeReset) {
    auto kernel = goodMachine();
    kernel.putFile(devices + nic + "/reset_method", "\n");
    EXPECT_THAT(about(diagnose(kernel, context("02:00.0")), "reset"),
                testing::ElementsAre(HasSubstr("warning reset: 0000:02:00.0 cannot be reset")));
}

/// Two cards in slots of their own, and the root port above one of them, in one group.
FakeKernel withoutIsolation() {
    auto kernel = goodMachine();
    kernel.addRootPort("0000:00:05.0", 9, 6);
    kernel.addDevice({.address = "0000:06:00.0", .ids = "8086:1533", .classCode = 0x020000, .group = 9});
    kernel.addDevice({.address = "0000:06:01.0", .ids = "8086:1533", .classCode = 0x020000, .group = 9});
    return kernel;
}

TEST(Doctor, TheBridgeWithoutAcsIsNamed) {
    auto kernel = withoutIsolation();
    const auto port = "\x10\x00\x42\x00"s;
    const auto why = [&](const std::string& config) {
        putConfig(kernel, "0000:00:05.0", config);
        return about(diagnose(kernel, context("group/9")), "isolation").at(1);
    };
    EXPECT_THAT(why(configWith({port}, 4096)),
                HasSubstr("the bridge 0000:00:05.0 is in group 9 too: it has no ACS"));
    auto off = configWith({port}, 4096);
    off.replace(0x100, 8, "\x0d\x00\x01\x00\x1f\x00\x01\x00"s);
    EXPECT_THAT(why(off), HasSubstr("is not switched on"));
    EXPECT_THAT(why(configWith({"\x10\x00\x71\x00"s})), HasSubstr("a conventional PCI bus"));
    EXPECT_THAT(why(std::string(64, '\0')), HasSubstr("capabilities cannot be read"));
}

// case 49
TEST(Doctor, ABusResetThatHitsAnotherGroupIsTold) {
    auto kernel = goodMachine();
    kernel.addRootPort("0000:00:05.0", 8, 6);
    for (const unsigned number : {0U, 1U})
        kernel.addDevice({.address = "0000:06:00." + std::to_string(number),
                          .ids = "8086:1533",
                          .classCode = 0x020000,
                          .group = 20 + number});
    kernel.putFile(devices + "0000:06:00.0/reset_method", "bus\n");
    EXPECT_THAT(
        about(diagnose(kernel, context("group/20")), "reset"),
        Contains(HasSubstr("resetting 0000:06:00.0 also resets 0000:06:00.1, which is in another group")));
    kernel.putFile(devices + "0000:06:00.0/reset_method", "flr bus\n");
    EXPECT_THAT(about(diagnose(kernel, context("group/20")), "reset"),
                testing::Not(Contains(HasSubstr("also resets"))));
}

TEST(Doctor, TargetsThatAreNone) {
    auto kernel = goodMachine();
    for (const auto* target : {"09:00.0", "nobody", "group/99", "0000:01:00.0/../x"})
        EXPECT_THROW(diagnose(kernel, context(target)), UnknownTarget) << target;
    const auto codeOf = [&](const std::string& target) {
        try {
            diagnose(kernel, context(target));
        } catch (const UnknownTarget& error) {
            return error.code;
        }
        return ExitCode::done;
    };
    EXPECT_EQ(codeOf("26:00"), ExitCode::usage);
    EXPECT_EQ(codeOf("26:00.0"), ExitCode::failed);
}

} // namespace
} // namespace vfiobind::ctl::doctor_target_test
