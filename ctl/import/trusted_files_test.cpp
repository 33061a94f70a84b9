// SPDX-License-Identifier: LGPL-2.1-or-later
// What import reads of a real folder, and what it does not touch.
#include "import/trusted_files.h"

#include "import/import.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <system_error>
#include <unistd.h>

namespace vfiobind::ctl::trusted_files_test {
namespace {

using testing::HasSubstr;

class TrustedFilesTest : public testing::Test {
protected:
    TrustedFilesTest() {
        std::string pattern = testing::TempDir() + "vfio-bind-trusted-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr)
            throw std::system_error(errno, std::generic_category(), pattern);
        root_ = pattern;
    }
    ~TrustedFilesTest() override { std::filesystem::remove_all(root_); }

    std::filesystem::path at(const std::string& path) const {
        const std::filesystem::path whole = root_ + path;
        std::filesystem::create_directories(whole.parent_path());
        return whole;
    }
    void put(const std::string& path, const std::string& content) const {
        std::ofstream(at(path)) << content;
        std::filesystem::permissions(root_ + path, std::filesystem::perms(0644));
    }
    std::string whyNot(const std::string& path, std::size_t limit = 65536) const {
        const auto content = TrustedFiles(root_).read(path, limit);
        return content ? "" : whyNotOpened(content.error()).value_or(content.error().str());
    }
    Imported imported() const {
        const TrustedFiles files(root_);
        const Topology nothing;
        return importFrom({.sysfs = files, .topology = nothing, .name = [](const Ids&) { return ""; }}, {},
                          {});
    }

    std::string root_;
};

TEST_F(TrustedFilesTest, AFileIsReadAsSysfsDoes) {
    put("/etc/a", "one\n");
    EXPECT_EQ(TrustedFiles(root_).read("/etc/a").value(), "one");
    EXPECT_EQ(TrustedFiles(root_).read("/etc/b").error().code, ENOENT);
    EXPECT_THAT(TrustedFiles(root_).list("/etc").value(), testing::ElementsAre("a"));
    EXPECT_EQ(TrustedFiles(root_).link("/etc/a").error().code, EINVAL);
    EXPECT_EQ(TrustedFiles("").read("/proc/cmdline").has_value(), true);
}

TEST_F(TrustedFilesTest, WhatEverybodyMayWriteIsNotBelieved) {
    put("/var/tmp/one/pci.rb", "FILTER = '10de:'\n");
    EXPECT_EQ(whyNot("/var/tmp/one/pci.rb"), "");
    chmod((root_ + "/var/tmp/one/pci.rb").c_str(), 0666);
    EXPECT_THAT(whyNot("/var/tmp/one/pci.rb"), HasSubstr("is ignored"));
    chmod((root_ + "/var/tmp/one/pci.rb").c_str(), 0644);
    chmod((root_ + "/var/tmp/one").c_str(), 01777);
    EXPECT_THAT(whyNot("/var/tmp/one/pci.rb"), HasSubstr("everybody may write to it"));
}

TEST_F(TrustedFilesTest, AnothersFileIsNotBelievedUnlessHeIsOneadmin) {
    if (geteuid() != 0)
        GTEST_SKIP() << "only root can give files away";
    constexpr uid_t somebody = 4242;
    put("/var/tmp/one/pci.rb", "FILTER = '10de:'\n");
    ASSERT_EQ(chown((root_ + "/var/tmp/one/pci.rb").c_str(), somebody, somebody), 0);
    EXPECT_THAT(whyNot("/var/tmp/one/pci.rb"), HasSubstr("neither to root nor to oneadmin"));
    put("/etc/passwd", "root:x:0:0::/:/bin/sh\noneadmin:x:4242:4242::/var/lib/one:/bin/sh\n");
    EXPECT_EQ(whyNot("/var/tmp/one/pci.rb"), "");
}

TEST_F(TrustedFilesTest, WhatIsNoFileIsNotOpened) {
    ASSERT_EQ(mkfifo(at("/etc/pipe").c_str(), 0644), 0);
    EXPECT_THAT(whyNot("/etc/pipe"), HasSubstr("no regular file"));
    std::filesystem::create_directories(root_ + "/etc/folder");
    EXPECT_THAT(whyNot("/etc/folder"), HasSubstr("is a folder"));
    std::filesystem::create_symlink("self", at("/etc/self"));
    EXPECT_THAT(whyNot("/etc/self"), HasSubstr("ELOOP"));
    put("/etc/long", std::string(101, 'x'));
    EXPECT_THAT(whyNot("/etc/long", 100), HasSubstr("too long"));
}

TEST_F(TrustedFilesTest, LinksLeadNowhereElse) {
    put("/usr/a", "inside\n");
    std::filesystem::create_symlink("/usr/a", at("/etc/absolute"));
    std::filesystem::create_symlink("../../../../../../../../usr/a", at("/etc/up"));
    std::filesystem::create_symlink("/etc/passwd", at("/etc/out"));
    EXPECT_EQ(TrustedFiles(root_).read("/etc/absolute").value(), "inside");
    EXPECT_EQ(TrustedFiles(root_).read("/etc/up").value(), "inside");
    EXPECT_EQ(TrustedFiles(root_).read("/etc/out").error().code, ENOENT);
}

/// A thousand files, most of them noise.
TEST_F(TrustedFilesTest, ATreeOfNoiseIsReadWithinASecond) {
    constexpr unsigned each = 250;
    std::string noise;
    for (unsigned i = 0; i < 2000; ++i)
        noise += static_cast<char>((i * 7919 + i / 13) % 256);
    for (unsigned i = 0; i < each; ++i) {
        put(fmt::format("/etc/modprobe.d/{:03}.conf", i), noise + "\nblacklist m" + std::to_string(i) + '\n');
        put(fmt::format("/etc/libvirt/qemu/{:03}.xml", i),
            i % 2 == 0 ? noise : "<domain><name>x</name></domain>");
        put(fmt::format("/etc/udev/rules.d/{:03}.rules", i), "driver_override" + noise);
        put(fmt::format("/etc/driverctl.d/{:03}", i), noise);
    }
    put("/etc/modprobe.d/zz.conf", "options vfio-pci ids=10de:1284\n");
    const std::vector<std::string> places{"/etc/modprobe.d/pipe.conf",   "/etc/modules",
                                          "/etc/udev/rules.d/p.rules",   "/etc/default/vfio-bind",
                                          "/etc/default/grub",           "/etc/libvirt/hooks/qemu",
                                          "/etc/initramfs-tools/modules"};
    for (const auto& place : places)
        ASSERT_EQ(mkfifo(at(place).c_str(), 0644), 0) << place;
    if (mknod(at("/etc/dracut.conf.d/tty.conf").c_str(), S_IFCHR | 0644, makedev(5, 0)) != 0) {
        ASSERT_EQ(errno, EPERM); // only root may make one
    }
    std::filesystem::create_directory_symlink(".", at("/etc/libvirt/hooks/qemu.d"));
    std::filesystem::create_symlink("loop.conf", at("/etc/modules-load.d/loop.conf"));
    std::filesystem::create_directory_symlink("dracut.conf.d", at("/etc/dracut.conf"));
    const auto begin = std::chrono::steady_clock::now();
    const auto result = imported();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
    EXPECT_THAT(result.toml, HasSubstr("\"10de:1284\""));
    std::string warnings;
    for (const auto& warning : result.warnings)
        warnings += warning.str() + '\n';
    for (const auto& place : places)
        if (place != "/etc/default/grub") { // a hint only
            EXPECT_THAT(warnings, HasSubstr(place + ": is no regular file; it was not opened"));
        }
    EXPECT_THAT(warnings, HasSubstr("/etc/modules-load.d/loop.conf: cannot be read"));
    EXPECT_THAT(warnings, HasSubstr("/etc/driverctl.d/007: it is an override for another bus"));
    EXPECT_EQ(result.looked.size(), 10U);
}

} // namespace
} // namespace vfiobind::ctl::trusted_files_test
