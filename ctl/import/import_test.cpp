// SPDX-License-Identifier: LGPL-2.1-or-later
// What vfio-bindctl import makes of what guides leave on a host, as files that people have read: NAME.toml is
// the configuration, NAME.txt what is said besides. VFIO_BIND_WRITE_GOLDEN=1 in the environment writes them
// anew; git shows what has changed.
#include "import/test_host.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace vfiobind::ctl::import_test {
namespace {

using namespace importtest;

class GoldenImport : public testing::TestWithParam<Host> {};

TEST_P(GoldenImport, SaysWhatWasReviewed) {
    EXPECT_FALSE(expectImport(GetParam()).rules.empty());
}

constexpr const char* pciConf = "/var/tmp/one/etc/im/kvm-probes.d/pci.conf";
constexpr const char* pciRb = "/var/tmp/one/im/kvm-probes.d/pci.rb";

constexpr const char* domain = R"(<!-- kept by libvirt -->
<domain type='kvm'>
  <name>win 10</name>
  <devices>
    <disk type='file'><source file='/a.img'/><address type='pci' bus='0x05' slot='0x00' function='0x0'/></disk>
    <hostdev mode='subsystem' type='pci' managed='yes'>
      <driver name='vfio'/>
      <source>
        <address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
      </source>
      <address type='pci' domain='0x0000' bus='0x06' slot='0x00' function='0x0'/>
    </hostdev>
    <hostdev mode='subsystem' type='pci' managed='no'>
      <source><address domain='0x0000' bus='0x82' slot='0x00' function='0x1'/></source>
    </hostdev>
    <hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>
    <interface type='hostdev'>
      <source><address type='pci' bus='2' slot='0' function='0'/></source>
    </interface>
    <hostdev mode='subsystem' type='pci'><source><address bus='0x82'/></source></hostdev>
  </devices>
</domain>
)";

INSTANTIATE_TEST_SUITE_P(
    Hosts, GoldenImport,
    testing::Values(
        Host{"sysconfig",
             {{"/etc/sysconfig/vfio-bind",
               "# for vfio-bind.service\nDEVICES=\"0000:04:00.0 0000:05:00.0 0000:84:00.0 0000:85:00.0\"\n"},
              {"/etc/systemd/system/vfio-bind.service", "[Service]\n"},
              {"/usr/local/bin/vfio-bind", "#!/bin/sh\n"}}},
        Host{"modprobe-ids",
             {{"/etc/modprobe.d/vfio.conf",
               "options vfio-pci ids=10de:1b80,10de:10f0\noptions vfio-pci disable_vga=1\n"},
              {"/etc/modprobe.d/blacklist-nouveau.conf",
               "blacklist nouveau\noptions nouveau modeset=0\nblacklist snd_hda_intel\nblacklist pcspkr\n"},
              {"/etc/modules", "loop\nvfio-pci\nvfio_iommu_type1\n"},
              {"/proc/cmdline", "intel_iommu=on rd.driver.pre=vfio-pci video=efifb:off"}}},
        Host{"command-line",
             {{"/proc/cmdline", "root=/dev/sda1 intel_iommu=on vfio-pci.ids=10de:1284,10de:0e0f quiet"},
              {"/etc/default/grub",
               "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"intel_iommu=on vfio-pci.ids=10de:1284,10de:0e0f\"\n"}}},
        Host{"pci-rb-vga", {{pciRb, "FILTER = '::0300' # all VGA cards\n"}}},
        Host{"pci-rb-nvidia", {{pciRb, "FILTER = \"10de::0300\"\n"}}},
        Host{"pci-rb", {{pciRb, "# FILTER = '::0300'\nFILTER = '10de:11bf:0300,8086::0300,::0106'\n"}}},
        Host{"pci-conf",
             {{pciConf, ":filter:\n  - '10de:*'      # NVIDIA\n  - '*:10d3'\n"
                        ":short_address:\n  - '04:00.0'\n  - '02:00.0'\n  - '0a:00.0'\n:device_name: []\n"}}},
        Host{"pci-conf-names",
             {{pciConf, ":filter: '*:*'\n:short_address: []\n:device_name:\n  - 'gigabit.*network'\n"}}},
        Host{"driverctl",
             {{"/etc/driverctl.d/pci-0000:01:00.0", "vfio-pci\n"},
              {"/etc/driverctl.d/pci-0000:02:00.0", "vfio-pci\n"},
              {"/etc/driverctl.d/pci-0000:09:00.0", "mlx5_vfio_pci\n"},
              {"/etc/driverctl.d/pci-0000:0b:00.0", "nouveau\n"},
              {"/etc/driverctl.d/vmbus-1234", "uio_hv_generic\n"}}},
        Host{"libvirt",
             {{"/etc/libvirt/qemu/win10.xml", domain}, {"/etc/libvirt/qemu/broken.xml", "<domain>\n<"}}},
        Host{"initramfs",
             {{"/etc/initramfs-tools/modules", "# modules\nvfio\nvfio_pci ids=10de:1284,10de:0e0f\nloop\n"},
              {"/etc/dracut.conf.d/local.conf",
               "add_drivers+=\"vfio vfio_iommu_type1 vfio_pci vfio_virqfd\"\n"},
              {"/etc/mkinitcpio.conf", "MODULES=(ext4\n  vfio_pci vfio) # early\nHOOKS=(base udev)\n"},
              {"/etc/modprobe.d/vfio.conf", "softdep nouveau pre: vfio-pci\n"}}},
        Host{"several-sources",
             {{"/etc/sysconfig/vfio-bind", "DEVICES='0000:01:00.0 01:00'\n"},
              {"/etc/default/vfio-bind", "DEVICES=0000:01:00.0\n"},
              {"/etc/modprobe.d/vfio.conf",
               "options vfio-pci ids=10de:0e0f,10de,8086:10d3:8086:a01f disable_vga=1 nointxmask=1\n"},
              {"/proc/cmdline", "vfio_pci.disable_vga=0 vfio_iommu_type1.allow_unsafe_interrupts=1"},
              {"/etc/driverctl.d/pci-0000:01:00.0", "pci-stub\n"}}}),
    testName);

TEST(Import, NothingIsNothing) {
    const auto imported =
        importOf(kernelOf({{"/proc/cmdline", "root=/dev/sda1 quiet"}, {pciConf, ":filter: '0:0'\n"}}));
    EXPECT_EQ(imported.toml, "");
    EXPECT_TRUE(imported.warnings.empty());
    EXPECT_EQ(renderRemovable(imported.removable), "");
}

TEST(Import, ReadsOnlyWhatIsNamed) {
    const auto kernel = kernelOf({{"/etc/sysconfig/vfio-bind", "DEVICES=0000:04:00.0\n"},
                                  {"/etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n"}});
    const auto policy = parsed(importOf(kernel, {"driverctl"}).toml);
    ASSERT_EQ(policy.rules.size(), 1U);
    EXPECT_EQ(policy.rules[0].name, "driverctl-0000_05_00_0");
}

TEST(Import, NoRuleGetsANameThatIsTaken) {
    const auto kernel = kernelOf({{"/etc/sysconfig/vfio-bind", "DEVICES=0000:04:00.0\n"}});
    EXPECT_EQ(parsed(importOf(kernel, {}, {"sysconfig", "sysconfig-2"}).toml).rules[0].name, "sysconfig-3");
}

TEST(Import, ANameCannotLeaveItsComment) {
    const auto kernel = kernelOf({{"/etc/sysconfig/vfio-bind", "DEVICES=0000:04:00.0\n"}});
    const auto topology = Topology::read(kernel).value();
    const auto imported = importFrom(
        {.sysfs = kernel, .topology = topology, .name = [](const Ids&) { return "a\nkeep = true"; }}, {}, {});
    EXPECT_FALSE(parsed(imported.toml).rules.at(0).keep);
}

TEST(Import, WhatCannotBeReadIsSaid) {
    auto kernel = kernelOf({{"/etc/sysconfig/vfio-bind", "DEVICES=0000:04:00.0\n"}});
    kernel.putDirectory("/etc/default/vfio-bind");
    const auto imported = importOf(kernel);
    ASSERT_EQ(imported.warnings.size(), 1U);
    EXPECT_THAT(imported.warnings[0].str(), testing::HasSubstr("/etc/default/vfio-bind: cannot be read"));
    EXPECT_EQ(parsed(imported.toml).rules.size(), 1U);
}

TEST(Import, WritesWholeFilesAndOverNone) {
    const auto folder = testing::TempDir() + "vfio-bind-import-test.d";
    const auto path = folder + "/50-imported.toml";
    std::remove(path.c_str());
    ASSERT_TRUE(writeNew(path, "first\n"));
    const auto again = writeNew(path, "second\n");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "first\n");
    EXPECT_FALSE(std::ifstream(path + ".part"));
}

/// The real files, below a folder of its own.
class ImportWrite : public testing::Test {
protected:
    ImportWrite() {
        std::string pattern = testing::TempDir() + "vfio-bind-import-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr)
            throw std::system_error(errno, std::generic_category(), pattern);
        root_ = pattern;
        dropIn_ = root_ + "/etc/vfio-bind.d/50-imported.toml";
        put("/etc/sysconfig/vfio-bind", "DEVICES=0000:04:00.0\n");
    }
    ~ImportWrite() override { std::filesystem::remove_all(root_); }

    void put(const std::string& path, const std::string& content) const {
        const std::filesystem::path whole = root_ + path;
        std::filesystem::create_directories(whole.parent_path());
        std::ofstream(whole) << content;
    }
    ExitCode write() const {
        return runImport({.command = Command::importOld, .root = root_ + '/', .write = true});
    }
    Policy inForce() const { return loadPolicy(root_ + "/etc/vfio-bind.toml").value(); }

    std::string root_;
    std::string dropIn_;
};

TEST_F(ImportWrite, ADropInIsAddedOnce) {
    put("/etc/vfio-bind.toml", "[[bind]]\nname = \"sysconfig\"\ndevices = [\"10de:1284\"]\n");
    EXPECT_EQ(write(), ExitCode::done);
    ASSERT_EQ(inForce().rules.size(), 2U);
    EXPECT_EQ(inForce().rules[1].name, "sysconfig-2");
    EXPECT_EQ(write(), ExitCode::failed);
    EXPECT_EQ(inForce().rules.size(), 2U);
}

TEST_F(ImportWrite, WhatTheConfigurationContradictsIsNotWritten) {
    put("/etc/vfio-bind.d/90-mine.toml", "[[bind]]\nname = \"mine\"\ndevices = [\"04:00.0\"]\n");
    EXPECT_EQ(write(), ExitCode::failed);
    EXPECT_FALSE(std::filesystem::exists(dropIn_));
    EXPECT_EQ(inForce().rules.size(), 1U);
}

TEST_F(ImportWrite, ABrokenConfigurationIsNotAddedTo) {
    put("/etc/vfio-bind.toml", "[[bind\n");
    EXPECT_EQ(write(), ExitCode::failed);
    EXPECT_FALSE(std::filesystem::exists(dropIn_));
}

TEST_F(ImportWrite, NothingFoundWritesNothing) {
    std::filesystem::remove(root_ + "/etc/sysconfig/vfio-bind");
    EXPECT_EQ(write(), ExitCode::done);
    EXPECT_FALSE(std::filesystem::exists(dropIn_));
}

} // namespace
} // namespace vfiobind::ctl::import_test
