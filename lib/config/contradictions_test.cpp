// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is wrong between rules, and between files.
#include "config/config.h"

#include <gtest/gtest.h>
#include <utility>

namespace vfiobind::contradictions_test {
namespace {

std::string errorsOf(const std::vector<ConfigText>& texts) {
    const auto policy = parsePolicy(texts);
    return policy ? "no error" : str(policy.error());
}

std::string devices(const std::string& list) {
    return "[[bind]]\nname = 'a'\ndevices = " + list;
}

/// case 61, as far as the text alone shows it.
TEST(RulesTogether, TwoRulesClaimTheSameSelector) {
    const auto two = [](const std::string& first, const std::string& second) {
        return "[[bind]]\nname = 'a'\ndevices = ['ffff:', " + first + "]\n[[bind]]\nname = 'b'\ndevices = [" +
               second + "]\n";
    };
    const auto sentence = [](const std::string& mine, const std::string& theirs) {
        return "6:12: " + mine + " is claimed by rule \"b\", and by rule \"a\" at f.toml:3:21" +
               (theirs.empty() ? "" : " with " + theirs) +
               ": a device belongs to one rule only, take it out of one of them";
    };
    const std::pair<std::string, std::string> rows[] = {
        {two("'01:00.0'", "'0000:01:00.0'"), sentence("0000:01:00.0", "")},
        {two("'10de:1284'", "'10DE:1284:*'"), sentence("10de:1284", "")},
        {two("'10de:'", "'10de:1284'"), sentence("10de:1284", "10de:")},
        {two("'10de:1284'", "'10de:'"), sentence("10de:", "10de:1284")},
        {two("'::03'", "'10de::0300'"), sentence("10de::0300", "::03xx")},
        {two("'::03xx'", "'::03'"), sentence("::03xx", "")},
        {two("':::02'", "'::0108:02'"), sentence("::0108:02", ":::02")},
        {two("'path:0000:00/01.0'", "'path:0:0/1.0'"), sentence("path:0000:00/01.0", "")},
        {two("'01:00.0'", "{ address = '01:00.0', id = '10de:1284' }"),
         sentence("{ address = \"0000:01:00.0\", id = \"10de:1284\" }", "0000:01:00.0")},
        {two("{ id = '10de:', subsystem = '1458:' }", "{ id = '10de:1284', subsystem = '1458:36ff' }"),
         sentence("{ id = \"10de:1284\", subsystem = \"1458:36ff\" }",
                  "{ id = \"10de:\", subsystem = \"1458:\" }")},
    };
    for (const auto& [text, error] : rows)
        EXPECT_EQ(errorsOf({{"f.toml", text}}), "f.toml:" + error) << text;
    // Which of these meet in one device only the machine can tell: the plan looks.
    const std::pair<const char*, const char*> fine[] = {
        {"'01:00.0'", "'01:00.1'"},
        {"'01:00.0'", "'10de:1284'"},
        {"'10de:'", "'::0300'"},
        {"'10de:1284'", "'10de:1285'"},
        {"'::0300'", "'::0302'"},
        {"'::03xx'", "'::xx00'"},
        {"'::0108:02'", "'::0108:01'"},
        {"{ address = '01:00.0', id = '10de:1284' }", "{ address = '01:00.0', id = '1002:73bf' }"},
        {"{ id = '10de:', subsystem = '1458:36ff' }", "{ id = '10de:1284', subsystem = '1458:' }"},
        {"'path:0000:00/01.0'", "'path:0000:00/01.0/00.0'"},
    };
    for (const auto& [first, second] : fine)
        EXPECT_EQ(errorsOf({{"f.toml", two(first, second)}}), "no error") << first << " and " << second;
}

TEST(RulesTogether, OneRuleMayNameADeviceTwice) {
    EXPECT_EQ(errorsOf({{"f.toml", devices("['10de:', '10de:1284', '10de:1284']")}}), "no error");
}

/// case 64: both places are named, and what the twin claims is not complained of once more.
TEST(RulesTogether, OneNameInTwoFiles) {
    EXPECT_EQ(errorsOf({{"/etc/vfio-bind.toml", devices("['10de:']")},
                        {"/etc/vfio-bind.d/x.toml", "\n" + devices("['10de:']")}}),
              "/etc/vfio-bind.d/x.toml:3:8: the rule name \"a\" is taken already at /etc/vfio-bind.toml:2:8: "
              "give one of "
              "them another name");
}

TEST(RulesTogether, RuleWithoutANameStillClaims) {
    EXPECT_EQ(
        errorsOf({{"f.toml", "[[bind]]\ndevices = ['10de:']\n[[bind]]\nname = 'b'\ndevices = ['10de:']"}}),
        "f.toml:1:1: [[bind]] has no name: add one, as in name = \"guest-gpu\"\n"
        "f.toml:5:12: 10de: is claimed by rule \"b\", and by rule without a name at f.toml:2:12: a device "
        "belongs "
        "to one rule only, take it out of one of them");
}

/// All errors of all files at once, in order of file and place; a file that is no TOML does not hide the
/// others'.
TEST(RulesTogether, ErrorsOfAllFilesAreReported) {
    const std::vector<ConfigText> texts{
        {"z.toml", "[[bind]]\nkeep = 1\nname = 'a'\ndevices = ['x', '10de:']\n[daemon]\nlog-level = 0"},
        {"b.toml", "[[bind"},
        {"c.toml", "[[bind]]\nname = 'a'\ndevices = ['01:00.8']\ntyme = 1"},
    };
    EXPECT_EQ(
        errorsOf(texts),
        "z.toml:2:8: keep must be true or false, as in keep = true, not a whole number\n"
        "z.toml:4:12: \"x\" is no selector: write an address (0000:01:00.0), an id (10de:1284, 10de:, "
        "::0300) or a "
        "bridge path (path:0000:00/01.0/00.0)\n"
        "z.toml:6:13: log-level must be a string, as in log-level = \"info\", not a whole number\n"
        "b.toml:1:7: this is no TOML: Error while parsing table header: encountered end-of-file\n"
        "c.toml:2:8: the rule name \"a\" is taken already at z.toml:3:8: give one of them another name\n"
        "c.toml:3:12: \"01:00.8\" is no PCI address: the function, after the dot, is one digit from 0 to 7\n"
        "c.toml:4:1: unknown key \"tyme\" in [[bind]]: write one of name, devices, members, driver, method, "
        "allow, "
        "count, "
        "sriov-vfs, node, keep, when, pause-units, give-back, timeout");
}

} // namespace
} // namespace vfiobind::contradictions_test
