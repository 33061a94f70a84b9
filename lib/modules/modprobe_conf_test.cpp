// SPDX-License-Identifier: LGPL-2.1-or-later
#include "modules/modprobe_conf.h"

#include "fake/fake_kernel.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <system_error>

namespace vfiobind::modprobe_conf_test {
namespace {

using testing::ElementsAre;

TEST(ModprobeConf, LinesKnowTheirPlace) {
    FakeKernel kernel;
    kernel.putFile("/usr/local/lib/modprobe.d/a.conf", "\n# no\noptions a \\\n b=1\nblacklist c\n");
    kernel.putFile("/usr/lib/modprobe.d/a.conf", "blacklist hidden\n");
    const auto lines = modprobeLines(kernel);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].str(), "options a  b=1");
    EXPECT_EQ(lines[0].place(), "/usr/local/lib/modprobe.d/a.conf:3");
    EXPECT_EQ(lines[1].line, 5U);
}

TEST(ModprobeConf, AnInstallLineMayBeAPattern) {
    const auto lines = readModprobeFile("f", "install vfio* /bin/false\ninstall a /usr/local/bin/a.sh\n");
    ASSERT_NE(installLine(lines, "vfio_pci"), nullptr);
    EXPECT_TRUE(doesNothing(*installLine(lines, "vfio_pci")));
    EXPECT_FALSE(doesNothing(*installLine(lines, "a")));
    EXPECT_EQ(installLine(lines, "b"), nullptr);
}

/// A folder of files that modprobe is asked about too.
class Oracle {
public:
    explicit Oracle(const std::map<std::string, std::string>& files) {
        std::string pattern = testing::TempDir() + "vfio-bind-modprobe-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr)
            throw std::system_error(errno, std::generic_category(), pattern);
        folder_ = pattern;
        for (const auto& [name, content] : files)
            std::ofstream(folder_ / name) << content;
    }
    Oracle(const Oracle&) = delete;
    Oracle& operator=(const Oracle&) = delete;
    ~Oracle() { std::filesystem::remove_all(folder_); }

    /// The lines of `modprobe -c -C FOLDER` for modules that begin with `t_`; those of the running machine's
    /// own command line have other names.
    std::vector<std::string> asked() const {
        const auto command =
            fmt::format("PATH=$PATH:/usr/sbin:/sbin modprobe -c -C {} 2>/dev/null", folder_.string());
        const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
        std::vector<std::string> lines;
        std::string line;
        for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get())) {
            if (c != '\n') {
                line += static_cast<char>(c);
                continue;
            }
            if (line.contains(" t_"))
                lines.push_back(line);
            line.clear();
        }
        std::ranges::sort(lines);
        return lines;
    }

private:
    std::filesystem::path folder_;
};

/// The same lines as we read them, in modprobe's spelling.
std::vector<std::string> ours(const std::map<std::string, std::string>& files) {
    FakeKernel kernel;
    for (const auto& [name, content] : files)
        kernel.putFile("/etc/modprobe.d/" + name, content);
    std::vector<std::string> lines;
    for (auto line : modprobeLines(kernel)) {
        if (!line.understood || !line.name.starts_with("t"))
            continue;
        line.name = underscored(line.name);
        if (line.command == "options")
            std::ranges::replace(line.argument, '\t', ' ');
        lines.push_back(line.str());
    }
    std::ranges::sort(lines);
    return lines;
}

// modprobe(8) itself is asked whether we read as it does.
TEST(ModprobeConf, ReadsAsModprobeDoes) {
    if (std::system("PATH=$PATH:/usr/sbin:/sbin modprobe --version >/dev/null 2>&1") != 0)
        GTEST_SKIP() << "there is no modprobe to compare with";
    const std::map<std::string, std::string> files{
        {"b.conf", "options t_a ids=\"10de:1b80, 10de:10f0\"\noptions\tt-b\ta=1\tb=2 \noptions t_c\n"
                   "options t_d x=1 # no comment\n # options t_e x=1\n#options t_f \\\noptions t_g x=1\n"},
        {"a.conf",
         "options t_h x=1 \\\n  y=2\noptions t_i x=a\\b\\\\c\n  options t_j x=1\nblacklist t-k more\n"
         "blacklist\ninstall t_l /bin/sh -c \"a  b\"\ninclude t_m\nbad t_n line\n"},
        {"c.conf",
         "install t_o* /bin/true # because\nblacklist t_p\r\noptions t_q ids=1:2\r\nsoftdep t_r pre: a"},
        {"d.txt", "blacklist t_s\n"},
        {".e.conf", "blacklist t_t\n"},
        {"f.alias", "blacklist t_u\n"},
    };
    const auto asked = Oracle(files).asked();
    EXPECT_GT(asked.size(), 8U);
    auto mine = ours(files);
    // What `modprobe -c` prints of softdeps is put together anew.
    std::erase_if(mine, [](const auto& line) { return line.starts_with("softdep"); });
    auto theirs = asked;
    std::erase_if(theirs, [](const auto& line) { return line.starts_with("softdep"); });
    EXPECT_EQ(mine, theirs);
}

} // namespace
} // namespace vfiobind::modprobe_conf_test
