// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sysfs/write_file.h"

#include "sysfs/real_sysfs.h"

#include <cerrno>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vfiobind::write_file_test {
namespace {

using testing::ElementsAre;

class WriteFile : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "write-file-XXXXXX";
        ASSERT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::vector<std::string> names() const { return RealSysfs().list(folder_).value(); }

    std::string folder_;
};

TEST_F(WriteFile, ReplacesTheContentAndMakesTheFolder) {
    const auto path = folder_ + "/made/file";
    for (const auto* content : {"a longer one\n", "short\n", ""}) {
        ASSERT_TRUE(writeFileDurably(path, content, 0640)) << content;
        EXPECT_EQ(std::filesystem::file_size(path), std::string_view(content).size());
    }
    EXPECT_THAT(RealSysfs().list(folder_ + "/made").value(), ElementsAre("file"));
    ASSERT_TRUE(removeFileDurably(path));
    EXPECT_TRUE(removeFileDurably(path)) << "one that is not there";
    EXPECT_FALSE(std::filesystem::exists(path));
}

// case 69
TEST_F(WriteFile, LeavesNothingBesideWhereItFails) {
    const auto path = folder_ + "/taken";
    std::filesystem::create_directories(path + "/in-use");
    const auto renamed = writeFileAtomically(path, "text\n", 0600, folder_ + "/.beside");
    ASSERT_FALSE(renamed);
    EXPECT_EQ(renamed.error().str().substr(0, 7), "rename ");
    EXPECT_THAT(names(), ElementsAre("taken"));
    const auto written = writeFileAtomically("/dev/full/file", "text\n", 0600);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ENOTDIR);
}

} // namespace
} // namespace vfiobind::write_file_test
