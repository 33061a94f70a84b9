// SPDX-License-Identifier: LGPL-2.1-or-later
// The completions, by calling them: each shell with the file that is installed, and vfio-bindctl as it is
// built.
#include "fixture.h"

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>

namespace vfiobind::bustest::completion_test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

using Words = std::set<std::string>;
const std::string completions = VFIO_BIND_SOURCE_DIR "/packaging/completions";

struct Shell {
    const char* name;
    const char* file;
    std::vector<std::string> command; ///< the line to complete is added to it
};

const Shell bash{"bash",
                 "/vfio-bindctl.bash",
                 {"bash", "--norc", "--noprofile", "-c",
                  R"(source "$1"; COMP_LINE=$2 COMP_POINT=${#2}
                     function=$(complete -p vfio-bindctl) || exit
                     function=${function#*-F } && "${function% *}" && printf '%s\n' "${COMPREPLY[@]}")",
                  "bash", completions + "/vfio-bindctl.bash"}};
const Shell zsh{
    "zsh", "/_vfio-bindctl", {"zsh", "-f", VFIO_BIND_SOURCE_DIR "/tests/bus/complete.zsh", completions}};
const Shell fish{"fish",
                 "/vfio-bindctl.fish",
                 {"fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2] | string split -f1 \\t",
                  completions + "/vfio-bindctl.fish"}};

class CompletionTest : public BusTest, public testing::WithParamInterface<Shell> {
protected:
    Finished inShell(const std::vector<std::string>& command) const {
        const auto path = std::filesystem::path(VFIO_BIND_CTL).parent_path().string() + ':' + getenv("PATH");
        return run(command, {{"PATH", path}, {"HOME", folder()}, {"TERM", "xterm"}}, folder() + "/shell.err");
    }

    /// What the shell offers where the cursor is at the end of the line; each a whole word.
    Words offers(const std::string& line) const {
        auto command = GetParam().command;
        command.push_back(line);
        const auto finished = inShell(command);
        EXPECT_EQ(finished.err, "") << line;
        // Bash completes what stands after the last colon.
        const auto word = line.substr(line.rfind(' ') + 1);
        const auto before =
            std::string(GetParam().name) == "bash" ? word.substr(0, word.rfind(':') + 1) : std::string{};
        Words words;
        std::istringstream stream(finished.out);
        for (std::string text; std::getline(stream, text);)
            if (!text.empty())
                words.insert(before + text);
        return words;
    }

    /// What matches the expression's group in the help of a command.
    Words inHelp(const std::string& command, const std::string& expression) const {
        std::vector<std::string> words{VFIO_BIND_CTL};
        if (!command.empty())
            words.push_back(command);
        words.emplace_back("--help");
        const auto help = run(words, {}, folder() + "/help.err").out;
        const std::regex wanted(expression, std::regex::multiline);
        Words found;
        for (std::sregex_iterator it(help.begin(), help.end(), wanted), end; it != end; ++it)
            found.insert((*it)[1]);
        return found;
    }
    Words commands() const {
        auto lines = inHelp("", "^  ([a-z]+)  +[a-z]");
        EXPECT_THAT(lines, IsSupersetOf({"status", "bind", "groups"}));
        return lines;
    }
};

TEST_P(CompletionTest, TheFileParses) {
    const auto parsed = inShell({GetParam().name, "-n", completions + GetParam().file});
    EXPECT_EQ(parsed.code, 0) << parsed.err;
    EXPECT_EQ(parsed.err, "");
}

TEST_P(CompletionTest, EveryCommandAndEachOfItsOptionsIsOffered) {
    const auto all = commands();
    EXPECT_THAT(offers("vfio-bindctl "), IsSupersetOf(all));
    EXPECT_EQ(offers("vfio-bindctl bi"), Words{"bind"});
    EXPECT_THAT(offers("vfio-bindctl --"), IsSupersetOf(inHelp("", "(--[a-z-]+)  +[a-z]")));
    for (const auto& command : all)
        EXPECT_THAT(offers("vfio-bindctl " + command + " --"),
                    IsSupersetOf(inHelp(command, "^  [-a-zA-Z,]*(--[a-z-]+)")))
            << command;
}

TEST_P(CompletionTest, TargetsAreThoseOfTheLiveSystem) {
    configure("[[bind]]\nname = \"lan\"\ndevices = [\"" + nic + "\"]\n");
    start();
    const auto all = offers("vfio-bindctl --session bind ");
    EXPECT_THAT(all, IsSupersetOf({std::string("lan"), std::string("group/1"), gpu, audio, nic}));
    EXPECT_EQ(offers("vfio-bindctl --session show 0000:01:"), (Words{gpu, audio}));
    EXPECT_EQ(offers("vfio-bindctl --session release --no-wait la"), Words{"lan"});
    const std::string slot = "0000:04:00.0";
    EXPECT_THAT(all, Not(Contains(slot)));
    tell("hotplug " + networkCard(slot, 9).dump());
    settle();
    EXPECT_THAT(offers("vfio-bindctl --session check "), IsSupersetOf({slot, std::string("group/9")}));
}

TEST_P(CompletionTest, CommandsThatAskNoDaemonHaveNoBus) {
    for (const auto* line : {"vfio-bindctl groups --", "vfio-bindctl doctor --"})
        EXPECT_EQ(offers(line), (Words{"--help", "--json"})) << line;
}

/// A lease's descriptor does not travel to another machine.
TEST_P(CompletionTest, WhatHoldsALeaseHasNoHost) {
    for (const auto* line : {"vfio-bindctl run --", "vfio-bindctl hold --"})
        EXPECT_THAT(offers(line), AllOf(Contains("--session"), Not(Contains("--host")))) << line;
    EXPECT_THAT(offers("vfio-bindctl bind --"), Contains("--host"));
}

/// The tabulator would hang for a password.
TEST_P(CompletionTest, AnotherMachineIsNotAskedForItsTargets) {
    start();
    EXPECT_THAT(offers("vfio-bindctl --host box bind "), Not(Contains(gpu)));
    EXPECT_THAT(offers("vfio-bindctl --host=box bind "), Not(Contains(gpu)));
}

TEST_P(CompletionTest, WithoutADaemonNothingIsOfferedAndNothingSaid) {
    EXPECT_THAT(offers("vfio-bindctl --session bind "), IsEmpty());
}

TEST_P(CompletionTest, ValuesOfOptions) {
    EXPECT_EQ(offers("vfio-bindctl bind --allow mou"), Words{"mounted"});
    EXPECT_EQ(offers("vfio-bindctl check --method n"), Words{"new-id"});
    EXPECT_THAT(offers("vfio-bindctl bind --driver "), IsSupersetOf({"auto", "vfio-pci"}));
}

INSTANTIATE_TEST_SUITE_P(Shells, CompletionTest, testing::Values(bash, zsh, fish),
                         [](const auto& shell) { return std::string(shell.param.name); });

} // namespace
} // namespace vfiobind::bustest::completion_test
