// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/real_sysfs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace vfiobind::real_sysfs_test {
namespace {

namespace fs = std::filesystem;

/// A copy of a few of the kernel's directories below a temporary root.
class RealSysfsTest : public testing::Test {
protected:
    RealSysfsTest() {
        std::string name = (fs::temp_directory_path() / "vfio-bind-sysfs-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), name);
        root_ = name;
        fs::create_directories(root_ / "sys/devices/d");
        fs::create_directory_symlink("../../bus/pci/drivers/vfio-pci", root_ / "sys/devices/d/driver");
    }
    ~RealSysfsTest() override { fs::remove_all(root_); }

    void put(const std::string& path, const std::string& content) {
        std::ofstream(root_ / path.substr(1), std::ios::binary) << content;
    }
    std::string get(const std::string& path) {
        std::ifstream file(root_ / path.substr(1), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    fs::path root_;
};

TEST_F(RealSysfsTest, ReadsWholeFilesWithoutTheLastNewline) {
    const RealSysfs sysfs(root_.string());
    struct Row {
        std::string content, read;
    };
    const std::string page(4096, 'p');
    const Row rows[] = {
        {"", ""},
        {"\n", ""},
        {"0x10de\n", "0x10de"},
        {"two\nlines\n\n", "two\nlines\n"},
        {"no end", "no end"},
        {page, page},
        {page + page + "x\n", page + page + "x"},
    };
    for (const auto& row : rows) {
        put("/sys/file", row.content);
        EXPECT_EQ(sysfs.read("/sys/file").value(), row.read);
    }
}

TEST_F(RealSysfsTest, ReadsAtMostTheLimit) {
    const RealSysfs sysfs(root_.string());
    put("/sys/config", std::string(5000, 'c'));
    EXPECT_EQ(sysfs.read("/sys/config", 64).value(), std::string(64, 'c'));
    EXPECT_EQ(sysfs.read("/sys/config", 4999).value(), std::string(4999, 'c'));
    EXPECT_EQ(sysfs.read("/sys/config", 0).value(), "");
    put("/sys/config", std::string(70000, 'c'));
    EXPECT_EQ(sysfs.read("/sys/config").value().size(), 65536U);
}

/// procfs gives a page or less at a time: what a single read gives is not all there is.
TEST(RealSysfs, ReadsProcfsToItsEnd) {
    const RealSysfs sysfs;
    std::ifstream file("/proc/kallsyms");
    std::string start(30000, '\0');
    if (!file.read(start.data(), 30000))
        GTEST_SKIP() << "this kernel has no list of symbols";
    EXPECT_EQ(sysfs.read("/proc/kallsyms", 30000).value(), start);
}

/// By the kinds that readdir(3) tells, and by trying each as the seam itself does: the answer is the same.
TEST_F(RealSysfsTest, FoldersAreNeitherLinksNorFiles) {
    const RealSysfs sysfs(root_.string());
    fs::create_directories(root_ / "sys/devices/d/power");
    fs::create_directories(root_ / "sys/devices/d/net/eth0");
    put("/sys/devices/d/config", "");
    fs::create_directory_symlink("../..", root_ / "sys/devices/d/subsystem");
    const std::vector<std::string> expected{"net", "power"};
    EXPECT_EQ(sysfs.folders("/sys/devices/d").value(), expected);
    EXPECT_EQ(sysfs.Sysfs::folders("/sys/devices/d").value(), expected);
    EXPECT_EQ(sysfs.folders("/sys/devices/e").error().str(),
              "list /sys/devices/e: ENOENT (No such file or directory)");
}

TEST_F(RealSysfsTest, WritesTheWholeDataToTheExistingFile) {
    RealSysfs sysfs(root_.string());
    put("/sys/driver_override", "");
    ASSERT_TRUE(sysfs.write("/sys/driver_override", "vfio-pci"));
    EXPECT_EQ(get("/sys/driver_override"), "vfio-pci");
    ASSERT_TRUE(sysfs.write("/sys/driver_override", ""));

    const auto missing = sysfs.write("/sys/missing", "x");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ENOENT);
    EXPECT_EQ(missing.error().str(), "write /sys/missing: ENOENT (No such file or directory)");
    EXPECT_FALSE(fs::exists(root_ / "sys/missing")) << "a kernel's file is never created";
}

TEST_F(RealSysfsTest, AnswersTheErrnoOfTheWrite) {
    if (!fs::exists("/dev/full"))
        GTEST_SKIP() << "no /dev/full here";
    RealSysfs sysfs;
    const auto full = sysfs.write("/dev/full", "x");
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().str(), "write /dev/full: ENOSPC (No space left on device)");
}

/// A file size limit in the middle of the data makes the kernel take a part of it only.
TEST_F(RealSysfsTest, ShortWriteIsAnError) {
    put("/sys/bind", "");
    RealSysfs sysfs(root_.string());
    const auto writeBeyondTheLimit = [&] {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{4, 4};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
            std::_Exit(2);
        const auto written = sysfs.write("/sys/bind", "0000:01:00.0");
        std::_Exit(!written && written.error().code == EIO ? 0 : 1);
    };
    EXPECT_EXIT(writeBeyondTheLimit(), testing::ExitedWithCode(0), "");
    EXPECT_EQ(get("/sys/bind"), "0000");
}

TEST_F(RealSysfsTest, ListsSorted) {
    const RealSysfs sysfs(root_.string());
    for (const char* name : {"0000:02:00.0", "0000:01:00.0", ".hidden", "10000:00:00.0"})
        fs::create_directories(root_ / "sys/bus" / name);
    EXPECT_EQ(sysfs.list("/sys/bus").value(),
              (std::vector<std::string>{".hidden", "0000:01:00.0", "0000:02:00.0", "10000:00:00.0"}));
    EXPECT_EQ(sysfs.list("/sys/bus/.hidden").value(), std::vector<std::string>{});
    EXPECT_EQ(sysfs.list("/sys/none").error().str(), "list /sys/none: ENOENT (No such file or directory)");
    put("/sys/file", "");
    EXPECT_EQ(sysfs.list("/sys/file").error().code, ENOTDIR);
}

TEST_F(RealSysfsTest, ReadsLinksAndSeesDanglingOnes) {
    const RealSysfs sysfs(root_.string());
    EXPECT_EQ(sysfs.link("/sys/devices/d/driver").value(), "../../bus/pci/drivers/vfio-pci");
    EXPECT_EQ(sysfs.link("/sys/devices/d").error().str(),
              "readlink /sys/devices/d: EINVAL (Invalid argument)");
    EXPECT_TRUE(sysfs.exists("/sys/devices/d/driver"));
    EXPECT_TRUE(sysfs.exists("/sys/devices/d"));
    EXPECT_FALSE(sysfs.exists("/sys/devices/d/iommu_group"));
}

TEST_F(RealSysfsTest, ReadsTheLinksOfADirectory) {
    const RealSysfs sysfs(root_.string());
    put("/sys/devices/d/class", "0x030000\n");
    fs::create_directory_symlink("../../a", root_ / "sys/devices/d/another");
    const std::vector<std::pair<std::string, std::string>> links{
        {"another", "../../a"}, {"driver", "../../bus/pci/drivers/vfio-pci"}};
    EXPECT_EQ(sysfs.links("/sys/devices/d").value(), links);
    EXPECT_EQ(sysfs.Sysfs::links("/sys/devices/d").value(), links) << "as list() and link() have it";
    EXPECT_EQ(sysfs.links("/sys/none").error().str(), "list /sys/none: ENOENT (No such file or directory)");
}

TEST_F(RealSysfsTest, AnswersTheErrnoOfTheRead) {
    const RealSysfs sysfs(root_.string());
    EXPECT_EQ(sysfs.read("/sys/none").error().str(), "read /sys/none: ENOENT (No such file or directory)");
    EXPECT_EQ(sysfs.read("/sys/devices").error().str(), "read /sys/devices: EISDIR (Is a directory)");
}

TEST_F(RealSysfsTest, LeavesNoDescriptorOpen) {
    RealSysfs sysfs(root_.string());
    put("/sys/file", "x");
    const auto open = [] { return std::distance(fs::directory_iterator("/proc/self/fd"), {}); };
    const auto before = open();
    for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(sysfs.read("/sys/file"));
        EXPECT_TRUE(sysfs.write("/sys/file", "y"));
        EXPECT_TRUE(sysfs.list("/sys"));
        EXPECT_FALSE(sysfs.read("/sys"));
        EXPECT_FALSE(sysfs.list("/sys/file"));
    }
    EXPECT_EQ(open(), before);
}

TEST(SysError, NamesErrnos) {
    EXPECT_EQ(errnoName(EBUSY), "EBUSY");
    EXPECT_EQ(errnoName(ENODEV), "ENODEV");
    EXPECT_EQ(errnoName(0), "errno 0");
    EXPECT_EQ(errnoName(9999), "errno 9999");
    EXPECT_EQ((SysError{"write", "/sys/bus/pci/drivers/vfio-pci/bind", EBUSY}.str()),
              "write /sys/bus/pci/drivers/vfio-pci/bind: EBUSY (Device or resource busy)");
    EXPECT_EQ((SysError{"read", "/x", 9999}.str()), "read /x: errno 9999 (unknown error)");
}

TEST(BaseName, TakesTheLastComponent) {
    EXPECT_EQ(baseName("../../bus/pci/drivers/vfio-pci"), "vfio-pci");
    EXPECT_EQ(baseName("vfio-pci"), "vfio-pci");
    EXPECT_EQ(baseName("/sys/kernel/iommu_groups/22/"), "22");
    EXPECT_EQ(baseName("/"), "/");
    EXPECT_EQ(baseName(""), "");
}

} // namespace
} // namespace vfiobind::real_sysfs_test
