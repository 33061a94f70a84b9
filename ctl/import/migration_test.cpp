// SPDX-License-Identifier: LGPL-2.1-or-later
// packaging/MIGRATION.md tells the truth: what a section shows as files, import turns into what it shows as
// TOML.
#include "import/import.h"

#include "config/config.h"
#include "fake/fake_kernel.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

namespace vfiobind::ctl::migration_test {
namespace {

struct Recipe {
    std::string title;
    std::map<std::string, std::string> files; ///< of blocks with a path behind the language
    std::vector<std::string> toml;
};

std::vector<Recipe> recipesOf(const std::string& path) {
    std::ifstream page(path);
    EXPECT_TRUE(page) << "there is no " << path;
    std::vector<Recipe> recipes;
    std::string* block = nullptr;
    for (std::string line; std::getline(page, line);) {
        const bool fence = line.starts_with("```");
        if (line.starts_with("## ") && block == nullptr)
            recipes.push_back({line.substr(3), {}, {}});
        else if (fence && block != nullptr)
            block = nullptr;
        else if (fence && !recipes.empty()) {
            const auto blank = line.find(' ');
            block = blank == std::string::npos ? &recipes.back().toml.emplace_back()
                                               : &recipes.back().files[line.substr(blank + 1)];
        } else if (block != nullptr)
            *block += line + '\n';
    }
    return recipes;
}

Policy parsed(const std::string& toml) {
    const auto policy = parsePolicy({{"page", toml}});
    EXPECT_TRUE(policy) << (policy ? "" : str(policy.error())) << '\n' << toml;
    auto result = policy.value_or(Policy{});
    for (auto& rule : result.rules)
        rule.where = {};
    return result;
}

TEST(Migration, EachRecipeBecomesItsLines) {
    const auto recipes = recipesOf(VFIO_BIND_SOURCE_DIR "/packaging/MIGRATION.md");
    ASSERT_EQ(recipes.size(), 7U);
    const Topology nothing;
    for (const auto& recipe : recipes) {
        SCOPED_TRACE(recipe.title);
        ASSERT_FALSE(recipe.files.empty());
        ASSERT_EQ(recipe.toml.size(), 1U);
        FakeKernel kernel;
        for (const auto& [path, content] : recipe.files)
            kernel.putFile(path, content);
        const auto imported =
            importFrom({.sysfs = kernel, .topology = nothing, .name = [](const Ids&) { return ""; }}, {}, {});
        EXPECT_TRUE(imported.warnings.empty()) << imported.warnings.front().str();
        const auto page = parsed(recipe.toml.front());
        const auto ours = parsed(imported.toml);
        ASSERT_FALSE(page.rules.empty());
        EXPECT_EQ(ours.rules, page.rules) << imported.toml;
        EXPECT_EQ(ours.modules, page.modules) << imported.toml;
        // Nothing of the recipe is left over without a word, but what says which VM gets the devices.
        for (const auto& [path, content] : recipe.files) {
            if (path.ends_with("pci.rb") || path.starts_with("/etc/libvirt/") ||
                path.starts_with("/etc/pve/"))
                continue;
            EXPECT_THAT(renderRemovable(imported.removable), testing::HasSubstr(path));
        }
    }
}

} // namespace
} // namespace vfiobind::ctl::migration_test
