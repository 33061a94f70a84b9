// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the texts tell users is what the parser does: every key and code is in vfio-bind.toml(5), the
/// defaults told there are the defaults, and every example of a configuration is one.
#include "config/blocker_codes.h"
#include "config/config.h"
#include "config/keys.h"
#include "pci/selector.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace vfiobind::manual_test {
namespace {

namespace fs = std::filesystem;
using testing::IsSupersetOf;
using testing::UnorderedElementsAreArray;

const fs::path top{VFIO_BIND_SOURCE_DIR};
const fs::path manual = top / "packaging/man/vfio-bind.toml.5";

std::string contentOf(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    if (!file)
        throw std::runtime_error(path.string() + " cannot be read");
    return content.str();
}

/// A page's text, with roff's escapes as the characters that they print.
std::string pageOf(const fs::path& path) {
    auto text = std::regex_replace(contentOf(path), std::regex(R"(\\\(dq)"), "\"");
    return std::regex_replace(text, std::regex(R"(\\e)"), "\\");
}

/// The part of vfio-bind.toml(5) under a heading, up to the next one.
std::string section(const std::string& heading) {
    const auto page = pageOf(manual);
    const auto begin = page.find(fmt::format("\n.Ss {}\n", heading));
    if (begin == std::string::npos)
        throw std::runtime_error(fmt::format("vfio-bind.toml.5 has no section {}", heading));
    const auto end = std::min(page.find("\n.Ss ", begin + 1), page.find("\n.Sh ", begin + 1));
    return page.substr(begin, end - begin);
}

/// The first group of each match, line by line.
std::vector<std::string> found(const std::string& text, const std::string& expression) {
    const std::regex pattern(expression, std::regex::ECMAScript | std::regex::multiline);
    std::vector<std::string> all;
    for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match)
        all.push_back((*match)[1]);
    return all;
}

/// The lines between one that begins with `open` and the next that is `close`. No regular expression: the
/// library's want stack for each character.
std::vector<std::string> blocks(const std::string& text, std::string_view open, std::string_view close) {
    std::vector<std::string> all;
    bool inside = false;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!inside && line.starts_with(open))
            all.emplace_back();
        else if (inside && line != close)
            all.back() += line + "\n";
        inside = inside ? line != close : line.starts_with(open);
    }
    return all;
}

std::vector<std::string> items(const std::string& heading) {
    return found(section(heading), R"(^\.It Cm (\S+))");
}

Policy parsed(const std::string& title, const std::string& text) {
    auto policy = parsePolicy({{title, text}});
    if (!policy)
        throw std::runtime_error(str(policy.error()) + "\n" + text);
    return std::move(*policy);
}

TEST(Manual, HasEveryKey) {
    EXPECT_THAT(found(pageOf(manual), R"(^\.Ss The \[+([a-z-]+)\]+ table)"),
                UnorderedElementsAreArray(topKeys));
    EXPECT_THAT(items("The [match] table"), UnorderedElementsAreArray(matchKeys));
    EXPECT_THAT(items("The [daemon] table"), UnorderedElementsAreArray(daemonKeys));
    EXPECT_THAT(items("The [vfio-pci] table"), UnorderedElementsAreArray(moduleKeys));
    EXPECT_THAT(items("The [publish] table"), UnorderedElementsAreArray(publishKeys));
    const auto rule = section("The [[bind]] tables");
    EXPECT_THAT(items("The [[bind]] tables"), UnorderedElementsAreArray(ruleKeys));
    EXPECT_THAT(found(rule, R"(\b([a-z]+)(?: No)? = "?(?:Qq user|[a-z0-9]+")(?=[ ,\n]))"),
                IsSupersetOf(nodeKeys));
    EXPECT_THAT(found(section("Selectors"), R"(^\.Cm ([a-z]+))"), UnorderedElementsAreArray(selectorKeys));
}

TEST(Manual, HasEveryWordThatAKeyTakes) {
    EXPECT_THAT(found(section("The [daemon] table"), R"(^\.Qq (\S+))"), UnorderedElementsAreArray(logLevels));
    EXPECT_THAT(found(section("The [[bind]] tables"), R"(^\.Qq (\S+)$)"), IsSupersetOf(methods));
}

TEST(Manual, HasEveryBlockerCode) {
    const auto text = section("Blockers");
    const auto others = text.find("\nThese cannot");
    ASSERT_NE(others, std::string::npos);
    std::vector<std::string_view> allowable;
    std::vector<std::string_view> final;
    for (const auto& code : blockerCodes)
        (code.allowable ? allowable : final).push_back(code.name);
    EXPECT_THAT(found(text.substr(0, others), R"(^\.It Sy (\S+))"), UnorderedElementsAreArray(allowable));
    EXPECT_THAT(found(text.substr(others), R"(^\.It Sy (\S+))"), UnorderedElementsAreArray(final));
}

/// Saying what the page gives as the value of a key changes nothing.
TEST(Manual, TellsTheDefaults) {
    const std::string rule = "[[bind]]\nname = 'a'\ndevices = ['10de:']\n";
    const auto silent = parsed("nothing said", rule);
    for (const std::string_view key : {"driver", "method", "timeout"}) {
        const auto told =
            found(section("The [[bind]] tables"), fmt::format(R"re(^\.It Cm {} No = Qq (\S+)$)re", key));
        ASSERT_EQ(told.size(), 1U) << key;
        const auto said = parsed("nothing said", fmt::format("{}{} = \"{}\"\n", rule, key, told[0]));
        EXPECT_EQ(said.rules, silent.rules) << key;
    }
    const auto level = found(section("The [daemon] table"), R"(^\.It Cm log-level No = Qq (\S+)$)");
    ASSERT_EQ(level.size(), 1U);
    EXPECT_EQ(level[0], silent.logLevel);
    for (const std::string_view key : publishKeys) {
        const auto told =
            found(section("The [publish] table"), fmt::format(R"re(^\.It Cm {} No = (.+)$)re", key));
        ASSERT_EQ(told.size(), 1U) << key;
        const auto value = told[0].starts_with("Qq ") ? fmt::format("'{}'", told[0].substr(3)) : told[0];
        EXPECT_EQ(parsed("a default", fmt::format("[publish]\n{} = {}\n", key, value)).publish,
                  silent.publish)
            << key;
    }
}

TEST(Manual, ShowsSelectorsAsTheyAre) {
    const auto text = section("Selectors");
    auto shown = found(text, R"re("([0-9a-f:.x]+)")re");
    for (const auto& path : found(text, R"(^\.It Qq (\S+)$)"))
        shown.push_back(path);
    EXPECT_GE(shown.size(), 7U);
    for (const auto& selector : shown) {
        const auto read = Selector::parse(selector);
        EXPECT_TRUE(read) << selector << ": " << (read ? "" : read.error());
    }
}

/// Whatever page has an example of a configuration, a new one too.
TEST(Manual, EveryExampleOfAConfigurationIsRight) {
    std::size_t examples = 0;
    const auto check = [&](const fs::path& page, const std::vector<std::string>& texts) {
        for (const auto& block : texts) {
            if (!block.contains("[[bind]]"))
                continue;
            ++examples;
            const auto policy = parsePolicy({{page.filename(), block}});
            EXPECT_TRUE(policy) << str(policy.error()) << "\n" << block;
            EXPECT_TRUE(!policy || !policy->rules.empty()) << page << " has an example without a rule";
        }
    };
    for (const auto& entry : fs::directory_iterator(manual.parent_path()))
        check(entry.path(), blocks(pageOf(entry.path()), ".Bd -literal", ".Ed"));
    for (const auto& folder : {top, top / "doc"}) {
        if (!fs::exists(folder))
            continue;
        for (const auto& entry : fs::directory_iterator(folder))
            if (entry.path().extension() == ".md")
                check(entry.path(), blocks(contentOf(entry.path()), "```toml", "```"));
    }
    EXPECT_GE(examples, 2U) << "the README and vfio-bind.toml(5) have one each";
}

/// `lib/guard/look.h` in a page at the top of the tree is a file of the tree.
TEST(Manual, NamesFilesThatAreThere) {
    std::size_t names = 0;
    for (const auto& entry : fs::directory_iterator(top)) {
        if (entry.path().extension() != ".md")
            continue;
        for (const auto& name :
             found(contentOf(entry.path()),
                   R"(`((?:lib|daemon|ctl|dbus|units|conf|packaging|tests)/[A-Za-z0-9_./-]+)`)")) {
            ++names;
            EXPECT_TRUE(fs::exists(top / name)) << entry.path() << " names " << name;
        }
    }
    EXPECT_GE(names, 10U);
}

} // namespace
} // namespace vfiobind::manual_test
