// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/drop_ins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace vfiobind::drop_ins_test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DropInFolders : public testing::Test {
protected:
    DropInFolders() {
        std::string name = (fs::temp_directory_path() / "vfio-bind-drop-ins-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), name);
        root = name;
        main = root + "/etc/vfio-bind.toml";
    }
    ~DropInFolders() override { fs::remove_all(root); }
    std::string put(const std::string& path, const std::string& vendor = {}) const {
        fs::create_directories(fs::path(root + path).parent_path());
        std::ofstream(root + path) << (vendor.empty() ? ""
                                                      : "[[bind]]\nname = 'of-" + vendor + "'\ndevices = ['" +
                                                            vendor + ":']\n");
        return root + path;
    }
    std::string root;
    std::string main;
};

TEST_F(DropInFolders, AreReadInOrderOfNameOverAll) {
    const auto b = put("/usr/lib/vfio-bind.d/20-b.toml");
    const auto a = put("/run/vfio-bind.d/10-a.toml");
    const auto c = put("/etc/vfio-bind.d/15-c.toml");
    put("/etc/vfio-bind.d/.hidden.toml");
    put("/etc/vfio-bind.d/README");
    const auto found = listDropIns(main);
    EXPECT_THAT(found.files, ElementsAre(a, c, b));
    EXPECT_THAT(found.errors, IsEmpty());
}

TEST_F(DropInFolders, ALaterFileTakesThePlaceOfItsNamesake) {
    put("/usr/lib/vfio-bind.d/10-a.toml");
    const auto run = put("/run/vfio-bind.d/10-a.toml");
    EXPECT_THAT(listDropIns(main).files, ElementsAre(run));
    const auto etc = put("/etc/vfio-bind.d/10-a.toml");
    EXPECT_THAT(listDropIns(main).files, ElementsAre(etc));
}

TEST_F(DropInFolders, ALinkToDevNullMasks) {
    put("/usr/lib/vfio-bind.d/10-vendor.toml", "10de");
    const auto kept = put("/usr/lib/vfio-bind.d/20-site.toml", "8086");
    fs::create_directories(root + "/etc/vfio-bind.d");
    fs::create_symlink("/dev/null", root + "/etc/vfio-bind.d/10-vendor.toml");
    const auto policy = loadPolicy(main);
    ASSERT_TRUE(policy);
    ASSERT_EQ(policy->rules.size(), 1U);
    EXPECT_EQ(policy->rules[0].name, "of-8086");
    EXPECT_THAT(policy->files, ElementsAre(kept));
    EXPECT_THAT(policy->masked, ElementsAre(root + "/etc/vfio-bind.d/10-vendor.toml"));
    // What is masked in /run only is there again with a file in /etc.
    fs::create_directories(root + "/run/vfio-bind.d");
    fs::create_symlink("/dev/null", root + "/run/vfio-bind.d/20-site.toml");
    EXPECT_THAT(loadPolicy(main)->rules, IsEmpty());
    put("/etc/vfio-bind.d/20-site.toml", "8086");
    EXPECT_EQ(loadPolicy(main)->rules.size(), 1U);
}

TEST_F(DropInFolders, AFolderThatCannotBeListedIsAnError) {
    put("/usr/lib/vfio-bind.d");
    const auto found = listDropIns(main);
    ASSERT_EQ(found.errors.size(), 1U);
    EXPECT_THAT(found.errors[0].str(),
                HasSubstr("/usr/lib/vfio-bind.d: cannot be read: ENOTDIR (Not a directory)"));
    EXPECT_FALSE(loadPolicy(main));
}

TEST_F(DropInFolders, TheFactsAreThoseOfTheRoot) {
    put("/etc/hostname");
    std::ofstream(root + "/etc/hostname") << "node7\n";
    fs::create_directories(root + "/usr/lib/vfio-bind.d");
    std::ofstream(root + "/usr/lib/vfio-bind.d/gpu.toml")
        << "[match]\nhost = 'node7'\n[[bind]]\nname = 'a'\ndevices = ['10de:']\n";
    EXPECT_EQ(loadPolicy(main)->rules.size(), 1U);
    std::ofstream(root + "/etc/hostname") << "node8\n";
    const auto policy = loadPolicy(main);
    EXPECT_THAT(policy->rules, IsEmpty());
    ASSERT_EQ(policy->unmatched.size(), 1U);
    EXPECT_EQ(policy->unmatched[0].why, "it is for host \"node7\", and this is \"node8\"");
}

TEST(DropInPlaces, ANewOneGoesWhereItsNameBelongs) {
    const auto order = [](const std::string& file) {
        std::vector<ConfigText> texts{{"/etc/vfio-bind.toml", ""},
                                      {"/usr/lib/vfio-bind.d/10-a.toml", ""},
                                      {"/etc/vfio-bind.d/20-b.toml", ""},
                                      {"/run/vfio-bind.d/30-c.toml", ""}};
        addDropIn(texts, {file, "new"});
        std::string text;
        for (const auto& each : texts)
            text += each.file + (each.content.empty() ? "\n" : " *\n");
        return text;
    };
    EXPECT_EQ(order("/etc/vfio-bind.d/15-n.toml"),
              "/etc/vfio-bind.toml\n/usr/lib/vfio-bind.d/10-a.toml\n/etc/vfio-bind.d/15-n.toml *\n"
              "/etc/vfio-bind.d/20-b.toml\n/run/vfio-bind.d/30-c.toml\n");
    EXPECT_EQ(order("/etc/vfio-bind.d/30-c.toml"),
              "/etc/vfio-bind.toml\n/usr/lib/vfio-bind.d/10-a.toml\n/etc/vfio-bind.d/20-b.toml\n"
              "/etc/vfio-bind.d/30-c.toml *\n")
        << "in the place of its namesake";
    EXPECT_EQ(order("/etc/vfio-bind.d/00-first.toml"),
              "/etc/vfio-bind.toml\n/etc/vfio-bind.d/00-first.toml *\n/usr/lib/vfio-bind.d/10-a.toml\n"
              "/etc/vfio-bind.d/20-b.toml\n/run/vfio-bind.d/30-c.toml\n")
        << "the main file stays the first";
}

TEST(DropInPlaces, BelongToTheMainFile) {
    EXPECT_THAT(dropInFolders("/etc/vfio-bind.toml"),
                ElementsAre("/usr/lib/vfio-bind.d", "/run/vfio-bind.d", "/etc/vfio-bind.d"));
    EXPECT_THAT(dropInFolders("/x/etc/vfio-bind.toml"),
                ElementsAre("/x/usr/lib/vfio-bind.d", "/x/run/vfio-bind.d", "/x/etc/vfio-bind.d"));
    EXPECT_THAT(dropInFolders("/x/vfio-bind.toml"), ElementsAre("/x/vfio-bind.d"));
    EXPECT_EQ(rootOf("/etc/vfio-bind.toml"), "");
    EXPECT_EQ(rootOf("/x/etc/vfio-bind.toml"), "/x");
}

} // namespace
} // namespace vfiobind::drop_ins_test
