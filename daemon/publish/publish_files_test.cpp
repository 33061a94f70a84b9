// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/publish_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/stat.h>

namespace vfiobind::publish_files_test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class PublishFilesTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "vfio-bind-publish-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
        fs::create_directories(root_ + "/run/vfio-bind");
        fs::create_directories(root_ + "/etc/kubernetes/node-feature-discovery/features.d");
    }
    void TearDown() override { fs::remove_all(root_); }

    static PublishState bound() {
        PublishState state;
        state.groups = {{.number = 22, .name = "guest-gpu", .state = "bound", .node = "/dev/vfio/22"}};
        return state;
    }
    std::string text(const std::string& path) const {
        std::ifstream file(root_ + path);
        std::ostringstream content;
        content << file.rdbuf();
        return content.str();
    }
    bool isThere(std::string_view path) const { return fs::exists(root_ + std::string(path)); }
    ino_t inodeOf(const std::string& path) const {
        struct stat status{};
        EXPECT_EQ(stat((root_ + path).c_str(), &status), 0) << path;
        return status.st_ino;
    }

    const std::string spec_ = "/run/cdi/vfio-bind.json";
    const std::string metrics_ = "/run/vfio-bind/metrics.prom";
    const std::string nfd_ = "/etc/kubernetes/node-feature-discovery/features.d/vfio-bind";
    const PublishOptions all_{.nfd = true};
    std::string root_;
};

TEST_F(PublishFilesTest, HasWhatThePublishersSayAndNothingBeside) {
    PublishFiles files(root_);
    EXPECT_THAT(files.bring(all_, bound()), IsEmpty());
    EXPECT_EQ(text(spec_), cdiText(bound()));
    EXPECT_EQ(text(metrics_), metricsText(bound()));
    EXPECT_EQ(text(nfd_), "vfio-bind.guest-gpu=bound\n");
    const auto count = [&](const std::string& folder) {
        return std::distance(fs::directory_iterator(root_ + folder), fs::directory_iterator());
    };
    EXPECT_EQ(count("/run/cdi") + count("/run/vfio-bind"), 2);
}

TEST_F(PublishFilesTest, AFileIsWrittenOnlyWhenItsTextChanged) {
    PublishFiles files(root_);
    files.bring(all_, bound());
    const auto spec = inodeOf(spec_);
    const auto metrics = inodeOf(metrics_);
    auto state = bound();
    state.configError = true;
    files.bring(all_, state);
    EXPECT_EQ(inodeOf(spec_), spec);
    EXPECT_NE(inodeOf(metrics_), metrics);
    PublishFiles restarted(root_);
    restarted.bring(all_, bound());
    EXPECT_EQ(inodeOf(spec_), spec);
}

TEST_F(PublishFilesTest, WhatIsNotWantedOrHasNothingToSayIsRemoved) {
    PublishFiles files(root_);
    files.bring(all_, bound());
    files.bring(all_, {});
    EXPECT_FALSE(isThere(spec_));
    EXPECT_FALSE(isThere(nfd_));
    EXPECT_TRUE(isThere(metrics_));
    files.bring(all_, bound());
    EXPECT_TRUE(isThere(spec_));
    PublishFiles restarted(root_);
    EXPECT_THAT(restarted.bring({.cdi = false, .metrics = false}, bound()), IsEmpty());
    EXPECT_FALSE(isThere(spec_) || isThere(metrics_) || isThere(nfd_));
}

TEST_F(PublishFilesTest, WhatCannotBeWrittenIsSaidAndTriedAgainAndTheOthersAreWritten) {
    fs::remove_all(root_ + "/etc/kubernetes");
    PublishFiles files(root_);
    const auto said =
        ElementsAre(AllOf(HasSubstr(nfd_ + " does not tell how it stands"), HasSubstr("ENOENT")));
    EXPECT_THAT(files.bring(all_, bound()), said);
    EXPECT_THAT(files.bring(all_, bound()), said);
    EXPECT_TRUE(isThere(spec_) && isThere(metrics_));
    fs::create_directories(root_ + "/etc/kubernetes/node-feature-discovery");
    EXPECT_THAT(files.bring(all_, bound()), IsEmpty());
    EXPECT_TRUE(isThere(nfd_));
}

TEST_F(PublishFilesTest, AFileInPlaceOfTheFolderIsSaid) {
    std::ofstream(root_ + "/run/cdi") << "no folder";
    PublishFiles files(root_);
    EXPECT_THAT(files.bring({}, bound()),
                ElementsAre(AllOf(HasSubstr("/run/cdi/.vfio-bind.json.new"), HasSubstr("ENOTDIR"))));
}

} // namespace
} // namespace vfiobind::publish_files_test
