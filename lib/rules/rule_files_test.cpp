// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/rule_files.h"

#include "sysfs/real_sysfs.h"

#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace vfiobind::rule_files_test {
namespace {

using testing::IsEmpty;

class RuleFilesTest : public testing::Test {
protected:
    RuleFilesTest() {
        std::string name = testing::TempDir() + "rule-files-XXXXXX";
        root_ = mkdtemp(name.data());
    }
    ~RuleFilesTest() override { std::filesystem::remove_all(root_); }

    std::string content(const std::string& path) const {
        return RealSysfs(root_).read(path).value_or("(not there)");
    }

    ino_t inodeOf(const std::string& path) const {
        struct stat found{};
        EXPECT_EQ(::stat((root_ + path).c_str(), &found), 0) << path;
        return found.st_ino;
    }

    std::string root_;
};

TEST_F(RuleFilesTest, AreWrittenWhenTheyDifferAndRemovedWhenNotWanted) {
    RuleFiles files(root_);
    const RuleTexts texts{.udevRules = "rules\n",
                          .overrides = "[]\n",
                          .nodeImports = {.groups = {{3, "three\n"}, {7, "seven\n"}},
                                          .devices = {{{0, 1, 0, 0}, "one\n"}, {{0, 1, 0, 1}, "another\n"}}},
                          .moduleOptions = "options\n"};
    auto change = files.apply(texts);
    EXPECT_TRUE(change.udevRules);
    EXPECT_TRUE(change.overridesThere);
    EXPECT_THAT(change.errors, IsEmpty());
    EXPECT_EQ(content("/run/udev/rules.d/10-vfio-bind.rules"), "rules");
    EXPECT_EQ(content("/run/vfio-bind/overrides.json"), "[]");
    EXPECT_EQ(content("/run/vfio-bind/groups/7"), "seven");
    EXPECT_EQ(content("/run/vfio-bind/devices/0000:01:00.0"), "one");
    EXPECT_EQ(content("/run/modprobe.d/vfio-bind.conf"), "options");

    const auto inode = inodeOf("/run/udev/rules.d/10-vfio-bind.rules");
    change = RuleFiles(root_).apply(texts); // another run finds it done
    EXPECT_FALSE(change.udevRules);
    EXPECT_TRUE(change.overridesThere);
    EXPECT_EQ(inodeOf("/run/udev/rules.d/10-vfio-bind.rules"), inode);

    change =
        files.apply({.nodeImports = {.groups = {{7, "another\n"}}, .devices = {{{0, 1, 0, 1}, "one\n"}}}});
    EXPECT_TRUE(change.udevRules);
    EXPECT_FALSE(change.overridesThere);
    EXPECT_EQ(content("/run/udev/rules.d/10-vfio-bind.rules"), "(not there)");
    EXPECT_EQ(content("/run/vfio-bind/overrides.json"), "(not there)");
    EXPECT_EQ(content("/run/vfio-bind/groups/3"), "(not there)");
    EXPECT_EQ(content("/run/vfio-bind/groups/7"), "another");
    EXPECT_EQ(content("/run/vfio-bind/devices/0000:01:00.0"), "(not there)");
    EXPECT_EQ(content("/run/vfio-bind/devices/0000:01:00.1"), "one");
}

TEST_F(RuleFilesTest, SayWhatCannotBeWritten) {
    // case 69: a file where a directory must be
    std::filesystem::create_directories(root_ + "/run");
    for (const auto* place : {"/run/udev", "/run/vfio-bind"})
        std::filesystem::copy_file("/etc/passwd", root_ + place);
    const auto change = RuleFiles(root_).apply({.udevRules = "rules\n", .overrides = "[]\n"});
    EXPECT_FALSE(change.udevRules);
    EXPECT_FALSE(change.overridesThere);
    ASSERT_EQ(change.errors.size(), 2U);
    EXPECT_THAT(change.errors[0].str(), testing::HasSubstr("/run/vfio-bind/overrides.json.new: ENOTDIR"));
    EXPECT_THAT(change.errors[1].str(),
                testing::HasSubstr("/run/udev/rules.d/10-vfio-bind.rules.new: ENOTDIR"));
}

} // namespace
} // namespace vfiobind::rule_files_test
