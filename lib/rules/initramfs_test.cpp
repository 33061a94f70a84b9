// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/initramfs.h"

#include "fake/fake_kernel.h"

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind::initramfs_test {
namespace {

const std::string config = "/etc/vfio-bind.toml";
const std::string dropIns = "/etc/vfio-bind.d";
const std::string image = "/boot/initrd.img-6.1.0-1";

class InitramfsTest : public testing::Test {
protected:
    InitramfsTest() {
        kernel.putFile("/proc/sys/kernel/osrelease", "6.1.0-1\n");
        kernel.putFile("/usr/share/initramfs-tools/hooks/vfio-bind", "");
        times = {{config, 100}, {dropIns, 100}, {image, 200}};
    }
    std::optional<Initramfs> look() const {
        return initramfsOf(
            kernel, {config, dropIns},
            [this](const std::string& path) {
                const auto found = times.find(path);
                return found == times.end() ? std::nullopt : std::optional(found->second);
            },
            started);
    }

    FakeKernel kernel;
    std::map<std::string, std::int64_t> times;
    bool started = true;
};

TEST_F(InitramfsTest, KnowsTheConfigurationThatIsOlder) {
    ASSERT_TRUE(look());
    EXPECT_EQ(look()->path, image);
    EXPECT_EQ(look()->newerFile, "");
}

TEST_F(InitramfsTest, IsStaleWhenAFileWasChangedSince) { // case 60
    times[config] = 201;
    EXPECT_EQ(look()->newerFile, config);
    EXPECT_EQ(look()->command, "update-initramfs -u");
    times[config] = 100;
    times[dropIns] = 300; // one was removed
    EXPECT_EQ(look()->newerFile, dropIns);
}

TEST_F(InitramfsTest, ThatWasMadeBeforeUsKnowsNoConfigurationAndIsNotStale) {
    started = false;
    times[config] = 300;
    EXPECT_FALSE(look()->known);
    EXPECT_EQ(look()->newerFile, "");
    kernel.putFile(takenInFile("6.1.0-1"), "");
    times[takenInFile("6.1.0-1")] = 200;
    kernel.putFile(config, "[[bind]]\n");
    EXPECT_TRUE(look()->known);
    EXPECT_EQ(look()->newerFile, config);
}

TEST_F(InitramfsTest, WithADigestTimesDoNotMatter) {
    const auto takenIn = takenInFile("6.1.0-1");
    kernel.putFile(config, "[[bind]]\n");
    kernel.putFile(takenIn, digestsOf(kernel, {config, dropIns}));
    times[takenIn] = 200;
    times[config] = 300;
    times[dropIns] = 300;
    EXPECT_EQ(look()->newerFile, "");
    kernel.putFile(config, "[[bind]] # changed\n");
    EXPECT_EQ(look()->newerFile, config);
    kernel.dropPath(config);
    EXPECT_EQ(look()->newerFile, config) << "it was taken in, and is gone";
}

TEST_F(InitramfsTest, ADigestOfALaterImageIsNotThisOnes) {
    const auto takenIn = takenInFile("6.1.0-1");
    kernel.putFile(config, "[[bind]]\n");
    kernel.putFile(takenIn, digestsOf(kernel, {config}));
    times[takenIn] = 201;
    EXPECT_EQ(look()->newerFile, "");
    times[config] = 300;
    EXPECT_EQ(look()->newerFile, config);
}

TEST_F(InitramfsTest, OfAnotherBuilder) {
    kernel.dropPath("/usr/share/initramfs-tools/hooks/vfio-bind");
    EXPECT_FALSE(look()) << "nothing of ours is in it";
    kernel.putFile("/usr/lib/dracut/modules.d/90vfio-bind/module-setup.sh", "");
    times["/boot/initramfs-6.1.0-1.img"] = 50;
    EXPECT_EQ(look()->newerFile, dropIns);
    EXPECT_EQ(look()->command, "dracut --force");
}

TEST_F(InitramfsTest, IsBuiltAnewByTheProgramThatIsInstalled) { // Debian with dracut
    kernel.putFile("/usr/bin/dracut", "");
    EXPECT_EQ(look()->path, image);
    EXPECT_EQ(look()->command, "dracut --force");
    kernel.putFile("/usr/sbin/update-initramfs", "");
    EXPECT_EQ(look()->command, "update-initramfs -u");
}

TEST(ChangeTime, IsTheFiles) {
    EXPECT_GT(changeTime("/etc/passwd").value_or(0), 0);
    EXPECT_FALSE(changeTime("/nonexistent/file"));
}

TEST(ChangeTime, OfAFileThatWasMovedHereWithItsOldTimesIsNow) {
    std::string path = testing::TempDir() + "change-time-XXXXXX";
    const int fd = mkstemp(path.data());
    ASSERT_GE(fd, 0);
    const std::array<timespec, 2> old{{{.tv_sec = 1000}, {.tv_sec = 1000}}};
    EXPECT_EQ(futimens(fd, old.data()), 0);
    close(fd);
    EXPECT_GT(changeTime(path).value_or(0), 1000);
    unlink(path.c_str());
}

} // namespace
} // namespace vfiobind::initramfs_test
