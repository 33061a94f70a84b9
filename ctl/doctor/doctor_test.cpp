// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/doctor.h"

#include "doctor/machine.h"
#include "fake/machine.h"
#include "host_sysfs.h"
#include "modprobe_conf.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace vfiobind::ctl {
namespace {

using namespace fakemachine;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

using namespace std::string_literals;

/// A machine on which everything is as it should be.
FakeKernel goodMachine() {
    auto kernel = machine();
    kernel.putFile("/proc/cmdline", "root=/dev/sda1 intel_iommu=on\n");
    kernel.putFile("/proc/interrupts", "            CPU0\n  24:   1  IR-PCI-MSI 0000:00:02.0\n");
    kernel.putFile("/proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    kernel.putDirectory("/sys/module/vfio_iommu_type1");
    return kernel;
}

/// Configuration space with these capabilities: the bytes of each, put one behind the other from 0x40 on.
std::string configWith(const std::vector<std::string>& capabilities, std::size_t size = 256) {
    std::string bytes(size, '\0');
    bytes[0x06] = 0x10;
    std::size_t at = 0x40;
    bytes[0x34] = capabilities.empty() ? '\0' : static_cast<char>(at);
    for (std::size_t i = 0; i < capabilities.size(); ++i, at += 0x10) {
        bytes.replace(at, capabilities[i].size(), capabilities[i]);
        bytes[at + 1] = i + 1 < capabilities.size() ? static_cast<char>(at + 0x10) : '\0';
    }
    return bytes;
}
const std::string msi = "\x05\x00"s;
const std::string msix = "\x11\x00"s;

void putConfig(FakeKernel& kernel, const std::string& address, const std::string& bytes) {
    kernel.putFile(devices + address + "/config", bytes);
}

DoctorContext context(const std::string& target = {}, bool root = true) {
    return {.target = target,
            .config = "/nonexistent/vfio-bind.toml",
            .root = root,
            .changed = [](const auto&) { return std::optional<std::int64_t>{}; }};
}

/// `error boot-display: ...`
std::vector<std::string> lines(const Findings& findings) {
    std::vector<std::string> list;
    for (const auto& finding : findings)
        list.push_back(std::string(levelName(finding.level)) + ' ' + finding.topic + ": " + finding.sentence +
                       (finding.remedy.empty() ? "" : " -> " + finding.remedy));
    return list;
}

std::vector<std::string> about(const Diagnosis& diagnosis, const std::string& topic) {
    Findings some;
    std::ranges::copy_if(diagnosis.findings, std::back_inserter(some),
                         [&](const Finding& finding) { return finding.topic == topic; });
    return lines(some);
}

TEST(Doctor, AGoodMachineIsGood) {
    auto kernel = goodMachine();
    const auto diagnosis = diagnose(kernel, context());
    EXPECT_TRUE(diagnosis.possible());
    EXPECT_EQ(renderDiagnosis(diagnosis, Style{.columns = 0}),
              "ok             the IOMMU is intel (dmar0), switched on by intel_iommu=on\n"
              "ok             interrupts are remapped\n"
              "ok             vfio_pci is loaded\n"
              "ok             vfio_iommu_type1 is loaded\n"
              "\n"
              "This machine can pass devices through; name one to hear what stands against it.\n");
}

// case 22
TEST(Doctor, EachWayToHaveNoIommuHasItsRemedy) {
    struct Case {
        const char* commandLine;
        const char* table; ///< an ACPI table, or nullptr
        const char* cpu;
        const char* expected;
    };
    for (const auto& one : {
             Case{"quiet", "DMAR", "GenuineIntel",
                  "does not use it -> start with the kernel parameter intel_iommu=on"},
             Case{"intel_iommu=off", "DMAR", "GenuineIntel",
                  "(intel_iommu=off) -> start with intel_iommu=on instead"},
             Case{"intel_iommu=on", nullptr, "GenuineIntel", "(no ACPI table DMAR) -> switch on VT-d"},
             Case{"intel_iommu=on", "DMAR", "GenuineIntel",
                  "and has none -> see what the kernel says: dmesg"},
             Case{"quiet", nullptr, "AuthenticAMD", "(no ACPI table IVRS) -> switch on IOMMU (AMD-Vi)"},
             Case{"amd_iommu=off", "IVRS", "AuthenticAMD", "(amd_iommu=off) -> start without this parameter"},
             Case{"iommu=off", "IVRS", "AuthenticAMD", "(iommu=off) -> start without this parameter"},
             Case{"quiet", nullptr, "AuthenticAMD\nflags : fpu hypervisor",
                  "a virtual machine, and it has been given"},
             Case{"quiet", nullptr, "ARM", "there is no IOMMU -> switch it on in the firmware"},
         }) {
        FakeKernel kernel;
        kernel.setIommu({});
        kernel.putFile("/proc/cmdline", one.commandLine);
        kernel.putFile("/proc/cpuinfo", "vendor_id : "s + one.cpu + '\n');
        if (one.table != nullptr)
            kernel.putFile("/sys/firmware/acpi/tables/"s + one.table, "");
        EXPECT_THAT(lines(iommuFindings(kernel)), testing::ElementsAre(HasSubstr(one.expected)));
    }
}

TEST(Doctor, AnAmdIommuIsOnByDefault) {
    auto kernel = goodMachine();
    kernel.setIommu({"ivhd0"});
    EXPECT_THAT(lines(iommuFindings(kernel)),
                testing::ElementsAre("ok iommu: the IOMMU is amd (ivhd0), on by the kernel's default"));
}

TEST(Doctor, AnIommuWithoutGroupsIsOfNoUse) {
    FakeKernel kernel;
    EXPECT_THAT(lines(iommuFindings(kernel)), Contains(HasSubstr("has made no groups")));
}

TEST(Doctor, InterruptsThatAreNotRemappedStopAVm) {
    auto kernel = goodMachine();
    kernel.putFile("/proc/interrupts", "  24:   1  PCI-MSI 0000:00:02.0\n");
    EXPECT_THAT(lines(interruptFindings(kernel)),
                testing::ElementsAre(HasSubstr("error interrupt-remapping: ")));
    kernel.putFile("/proc/cmdline", "intremap=off\n");
    EXPECT_THAT(lines(interruptFindings(kernel)),
                testing::ElementsAre(HasSubstr("start without intremap=off")));
    kernel.putFile("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
    EXPECT_THAT(lines(interruptFindings(kernel)),
                testing::ElementsAre(HasSubstr("warning interrupt-remapping: ")));
    kernel.setIommu({"arm-smmu.0"});
    EXPECT_THAT(interruptFindings(kernel), IsEmpty());
}

FakeKernel withInstalledModules() {
    FakeKernel kernel;
    kernel.putFile("/proc/sys/kernel/osrelease", "6.1.0-1\n");
    kernel.putFile("/lib/modules/6.1.0-1/modules.builtin", "kernel/drivers/vfio/vfio_iommu_type1.ko\n");
    kernel.putFile("/lib/modules/6.1.0-1/modules.dep",
                   "kernel/drivers/vfio/pci/vfio-pci-core.ko:\nkernel/drivers/vfio/pci/vfio-pci.ko: x.ko\n");
    kernel.putFile("/lib/modules/6.1.0-1/kernel/drivers/vfio/pci/vfio-pci.ko", "\x7f"s + "ELF");
    return kernel;
}

// case 19
TEST(Doctor, ModulesThatAreInstalledBuiltInMissingOrKeptOff) {
    auto kernel = withInstalledModules();
    EXPECT_THAT(lines(moduleFindings(kernel)),
                testing::ElementsAre("ok modules: vfio_pci is installed, and is loaded when it is needed",
                                     "ok modules: vfio_iommu_type1 is built into the kernel"));
    kernel.putFile("/etc/modprobe.d/no.conf", "# blacklist vfio_pci\nblacklist vfio-pci # a word\n");
    EXPECT_THAT(
        lines(moduleFindings(kernel)),
        Contains(
            "error modules: vfio_pci is kept off (/etc/modprobe.d/no.conf: blacklist vfio-pci) -> take that "
            "line out"));
    kernel.putFile("/etc/modprobe.d/no.conf", "install vfio-pci /bin/false\n");
    EXPECT_THAT(lines(moduleFindings(kernel)), Contains(HasSubstr("install vfio-pci /bin/false")));
    kernel.putFile("/lib/modules/6.1.0-1/modules.dep", "kernel/drivers/vfio/pci/vfio-pci-core.ko:\n");
    EXPECT_THAT(lines(moduleFindings(kernel)),
                Contains(HasSubstr("error modules: vfio_pci is not installed for the kernel 6.1.0-1")));
}

// case 19
TEST(Doctor, ModulesThatTheCommandLineKeepsOff) {
    auto kernel = withInstalledModules();
    for (const std::string key : {"modprobe.blacklist", "module_blacklist"}) {
        kernel.putFile("/proc/cmdline", "quiet " + key + "=nouveau " + key + "=x,vfio-pci ro\n");
        EXPECT_THAT(lines(moduleFindings(kernel)),
                    Contains("error modules: vfio_pci is kept off (" + key +
                             "= of the kernel's command line) -> take it out of that parameter"));
    }
    kernel.putFile("/proc/cmdline", "module_blacklist=vfio_pci_core xmodule_blacklist=vfio_pci\n");
    EXPECT_THAT(lines(moduleFindings(kernel)), Contains(HasSubstr("ok modules: vfio_pci is installed")));
}

TEST(Doctor, NativeDriversThatAreKeptOffAreNamed) {
    auto kernel = goodMachine();
    kernel.putFile("/proc/sys/kernel/osrelease", "6.1.0-1\n");
    kernel.putFile(
        "/lib/modules/6.1.0-1/modules.alias",
        "# Aliases\nalias pci:v000010DEd*sv*sd*bc03sc*i* nouveau\n"
        "alias pci:v*d*sv*sd*bc04sc03i* snd-hda-intel\nalias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n");
    const auto leftovers = [&] { return about(diagnose(kernel, context("01:00.0")), "leftover"); };
    EXPECT_THAT(leftovers(), IsEmpty());
    kernel.putFile("/usr/lib/modprobe.d/fbdev.conf", "blacklist nouveau\n");
    EXPECT_THAT(leftovers(), IsEmpty()) << "the distribution's";
    kernel.putFile("/etc/modprobe.d/no.conf", "blacklist nouveau\ninstall snd_hda_intel /bin/false\n");
    EXPECT_THAT(
        leftovers(),
        testing::ElementsAre(
            "note leftover: nouveau is kept off (/etc/modprobe.d/no.conf: blacklist nouveau), which "
            "vfio-bind needs not: 0000:01:00.0 would stay without this driver after a release -> take "
            "that line out",
            HasSubstr("snd_hda_intel is kept off (/etc/modprobe.d/no.conf: install snd_hda_intel "
                      "/bin/false)")));
    kernel.dropPath("/etc/modprobe.d/no.conf");
    kernel.putFile("/proc/cmdline", "intel_iommu=on modprobe.blacklist=nouveau\n");
    EXPECT_THAT(leftovers(), testing::ElementsAre(HasSubstr("(modprobe.blacklist= of the kernel's")));
    EXPECT_THAT(about(diagnose(kernel, context("02:00.0")), "leftover"), IsEmpty());
}

TEST(Doctor, AnUnsignedModuleUnderLockdownIsNoModule) {
    auto kernel = withInstalledModules();
    kernel.putFile("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    EXPECT_THAT(lines(moduleFindings(kernel)),
                Contains(HasSubstr("vfio_pci is not signed, and the kernel is locked")));
    kernel.putFile("/lib/modules/6.1.0-1/kernel/drivers/vfio/pci/vfio-pci.ko",
                   "ELF~Module signature appended~\n");
    EXPECT_THAT(lines(moduleFindings(kernel)), Contains(HasSubstr("vfio_pci is installed")));
    kernel.putFile("/lib/modules/6.1.0-1/kernel/drivers/vfio/pci/vfio-pci.ko", "ELF");
    kernel.putFile("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    EXPECT_THAT(lines(moduleFindings(kernel)), Contains(HasSubstr("vfio_pci is installed")));
}

TEST(Doctor, AFileInEtcHidesThatOfTheSameNameInUsr) {
    FakeKernel kernel;
    kernel.putFile("/usr/lib/modprobe.d/a.conf", "blacklist vfio-pci\n");
    EXPECT_EQ(modprobeLines(kernel).size(), 1U);
    kernel.putFile("/etc/modprobe.d/a.conf", "\n");
    EXPECT_THAT(modprobeLines(kernel), IsEmpty());
}

TEST(Doctor, LeftoversOfOtherWaysAreNamed) {
    FakeKernel kernel;
    kernel.putFile("/proc/cmdline", "quiet vfio-pci.ids=10de:1284,10de:0e0f\n");
    kernel.putFile("/etc/modprobe.d/vfio.conf",
                   "options vfio_pci ids=10de:1284\nsoftdep nouveau pre: vfio-pci\n"
                   "options vfio-pci disable_vga=1\n");
    kernel.putFile("/run/modprobe.d/vfio-bind.conf", "options vfio-pci ids=1:2\n");
    kernel.putFile("/etc/driverctl.d/pci-0000:01:00.0", "vfio-pci\n");
    kernel.putFile("/etc/systemd/system/vfio-bind.service", "[Unit]\n");
    EXPECT_THAT(lines(leftoverFindings(kernel)),
                testing::ElementsAre(HasSubstr("vfio-pci.ids=10de:1284,10de:0e0f"),
                                     HasSubstr("/etc/modprobe.d/vfio.conf has vfio-pci take every device"),
                                     HasSubstr("/etc/modprobe.d/vfio.conf has a softdep"),
                                     HasSubstr("driverctl unset-override 0000:01:00.0"),
                                     HasSubstr("vfio-bind.service of your own")));
    EXPECT_THAT(leftoverFindings(FakeKernel()), IsEmpty());
}

TEST(Doctor, TheMemoryThatAUserMayLockIsTold) {
    FakeKernel kernel;
    kernel.putFile("/proc/self/limits",
                   "Limit                     Soft Limit           Hard Limit           Units     \n"
                   "Max locked memory         8388608              8388608              bytes     \n");
    EXPECT_THAT(lines(memlockFindings(kernel, false)), testing::ElementsAre(HasSubstr("you may lock 8 MiB")));
    EXPECT_THAT(memlockFindings(kernel, true), IsEmpty());
    kernel.putFile("/proc/self/limits",
                   "Max locked memory         unlimited            unlimited            bytes\n");
    EXPECT_THAT(lines(memlockFindings(kernel, false)), testing::ElementsAre(HasSubstr("ok memlock")));
}

// case 60
TEST(Doctor, AnInitramfsThatIsOlderThanTheConfigurationIsStale) {
    auto kernel = goodMachine();
    kernel.putFile("/proc/sys/kernel/osrelease", "6.1.0-1\n");
    kernel.putFile("/usr/share/initramfs-tools/hooks/vfio-bind", "");
    std::map<std::string, std::int64_t> times{{"/nonexistent/vfio-bind.toml", 200},
                                              {"/boot/initrd.img-6.1.0-1", 100}};
    auto given = context();
    given.changed = [&](const std::string& path) {
        const auto found = times.find(path);
        return found == times.end() ? std::nullopt : std::optional(found->second);
    };
    EXPECT_THAT(about(diagnose(kernel, given), "initramfs"),
                testing::ElementsAre(HasSubstr("/boot/initrd.img-6.1.0-1 is older than")));
    times["/boot/initrd.img-6.1.0-1"] = 300;
    EXPECT_THAT(about(diagnose(kernel, given), "initramfs"), testing::ElementsAre(HasSubstr("ok initramfs")));
    kernel.dropPath("/usr/share/initramfs-tools/hooks/vfio-bind");
    EXPECT_THAT(about(diagnose(kernel, given), "initramfs"), IsEmpty()) << "the image does nothing of ours";
}

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
    kernel.putLink("/sys/class/drm/card0", "../../devices/pci0000:00/0000:00:02.0/0000:02:00.0/drm/card0");
    kernel.putFile("/proc/433/comm", "agetty\n");
    kernel.putLink("/proc/433/exe", "/usr/sbin/agetty");
    HostSysfs hidden(kernel); // as an ordinary user meets others' processes
    hidden.errors = {{"/proc/433/fd", EACCES}, {"/proc/433/fdinfo", EACCES}};
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
    EXPECT_THAT(why(std::string(64, '\0')), HasSubstr("only root can read"));
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
}

} // namespace
} // namespace vfiobind::ctl
