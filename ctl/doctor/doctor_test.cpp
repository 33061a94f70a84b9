// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/machine.h"
#include "doctor/test_machine.h"
#include "modules/modprobe_conf.h"

namespace vfiobind::ctl::doctor_test {
namespace {

using namespace doctortest;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(Doctor, AGoodMachineIsGood) {
    auto kernel = goodMachine();
    const auto diagnosis = diagnose(kernel, context());
    EXPECT_TRUE(diagnosis.possible());
    EXPECT_EQ(renderDiagnosis(diagnosis, Style{.columns = 0}),
              "ok             the IOMMU is intel (dmar0), switched on by intel_iommu=on\n"
              "ok             interrupts are remapped\n"
              "ok             vfio_pci is loaded\n"
              "ok             vfio_iommu_type1 is loaded\n"
              "ok             the kernel has one way to a device, its group's node: there is no iommufd "
              "(CONFIG_IOMMUFD)\n"
              "\n"
              "This machine can pass devices through; name one to see what stands against it.\n");
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
    EXPECT_THAT(lines(moduleFindings(kernel)),
                Contains("error modules: vfio_pci is kept off (/etc/modprobe.d/no.conf:2: blacklist "
                         "vfio-pci) -> take that "
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

TEST(Doctor, GroupsThatAreSplitByAParameterAreToldOf) {
    auto kernel = goodMachine();
    kernel.putFile("/proc/cmdline", "intel_iommu=on pcie_acs_override=downstream,multifunction\n");
    EXPECT_THAT(
        about(diagnose(kernel, context()), "iommu"),
        Contains(HasSubstr("warning iommu: the kernel was told to take devices apart that the hardware does "
                           "not isolate (pcie_acs_override=downstream,multifunction)")));
}

TEST(Doctor, NvidiasPersistenceIsToldOf) {
    auto kernel = goodMachine();
    kernel.addDriver({.name = "nvidia", .module = "nvidia", .ids = {"10de:1284"}});
    ASSERT_EQ(unbindIt(kernel, gpu), 0);
    ASSERT_EQ(bindTo(kernel, "nvidia", gpu), 0);
    const auto persistence = [&] { return about(diagnose(kernel, context("01:00.0")), "persistence"); };
    EXPECT_THAT(persistence(), testing::ElementsAre(HasSubstr("reported to help")));
    kernel.putFile("/run/nvidia-persistenced/socket", "");
    EXPECT_THAT(persistence(),
                testing::ElementsAre(HasSubstr("pause-units = [\"nvidia-persistenced.service\"]")));
}

TEST(Doctor, ACommandInTheModulesPlaceIsAnErrorAsForTheDaemon) {
    auto kernel = withInstalledModules();
    kernel.putFile("/etc/modprobe.d/vfio.conf", "install vfio-pci /usr/local/bin/vfio-pci-override.sh\n");
    EXPECT_THAT(lines(moduleFindings(kernel)),
                Contains("error modules: vfio_pci is kept off (/etc/modprobe.d/vfio.conf:1: install vfio-pci "
                         "/usr/local/bin/vfio-pci-override.sh) -> take that line out"));
}

TEST(Doctor, RootIsNotToldToBeRoot) {
    auto kernel = goodMachine();
    for (const auto& line : lines(diagnose(kernel, context("01:00.0", true)).findings))
        EXPECT_EQ(line.find("run it as root"), std::string::npos) << line;
    EXPECT_THAT(lines(diagnose(kernel, context("01:00.0", false)).findings),
                Contains(HasSubstr("run it as root")));
}

TEST(Doctor, TheWaysToADeviceThatTheKernelHasAreTold) {
    auto kernel = goodMachine();
    EXPECT_THAT(lines(wayFindings(kernel, false)),
                ElementsAre(StartsWith("ok ways: the kernel has one way")));
    kernel.putFile("/dev/iommu", "");
    EXPECT_THAT(lines(wayFindings(kernel, false)), ElementsAre(HasSubstr("shows once a device is bound")));
    kernel.putFile("/proc/sys/kernel/osrelease", "6.12.0-1\n");
    const std::string config = "/boot/config-6.12.0-1";
    kernel.putFile(config, "CONFIG_VFIO=m\n# CONFIG_VFIO_DEVICE_CDEV is not set\n");
    EXPECT_THAT(lines(wayFindings(kernel, false)), ElementsAre(HasSubstr("but no cdev")));
    kernel.putFile(config, "CONFIG_VFIO=m\nCONFIG_VFIO_DEVICE_CDEV=y\n");
    EXPECT_THAT(lines(wayFindings(kernel, true)), ElementsAre(HasSubstr("has both ways")));
    EXPECT_THAT(lines(wayFindings(kernel, false)),
                ElementsAre(HasSubstr("has both ways"), StartsWith("note ways: /dev/iommu is root's")));
}

TEST(Doctor, IommufdIsThereWhereItsModuleIs) {
    auto kernel = withInstalledModules();
    EXPECT_THAT(lines(wayFindings(kernel, true)), ElementsAre(HasSubstr("there is no iommufd")));
    kernel.putFile("/lib/modules/6.1.0-1/modules.dep", "kernel/drivers/iommu/iommufd/iommufd.ko:\n");
    kernel.putFile("/lib/modules/6.1.0-1/kernel/drivers/iommu/iommufd/iommufd.ko", "\x7f"s + "ELF");
    EXPECT_THAT(lines(wayFindings(kernel, true)), ElementsAre(HasSubstr("shows once a device is bound")));
}

TEST(Doctor, ABoundDeviceShowsThatThereAreCdevs) {
    auto kernel = goodMachine();
    kernel.version = FakeVersion::v6_12;
    toVfio(kernel, "0000:01:00.0");
    EXPECT_THAT(lines(wayFindings(kernel, true)), ElementsAre(HasSubstr("has both ways")));
    kernel.cdevsBuilt = false;
    EXPECT_THAT(lines(wayFindings(kernel, true)), ElementsAre(HasSubstr("one way")));
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
            "note leftover: nouveau is kept off (/etc/modprobe.d/no.conf:1: blacklist nouveau), which "
            "vfio-bind does not need: 0000:01:00.0 would stay without this driver after a release -> take "
            "that line out",
            HasSubstr("snd_hda_intel is kept off (/etc/modprobe.d/no.conf:2: install snd_hda_intel "
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
                                              {"/run/vfio-bind/initramfs", 50},
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
    times.erase("/run/vfio-bind/initramfs");
    EXPECT_THAT(about(diagnose(kernel, given), "initramfs"),
                testing::ElementsAre(HasSubstr("note initramfs: /boot/initrd.img-6.1.0-1 was made without")));
    kernel.dropPath("/usr/share/initramfs-tools/hooks/vfio-bind");
    EXPECT_THAT(about(diagnose(kernel, given), "initramfs"), IsEmpty()) << "the image does nothing of ours";
}

} // namespace
} // namespace vfiobind::ctl::doctor_test
