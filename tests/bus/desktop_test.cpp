// SPDX-License-Identifier: LGPL-2.1-or-later
// Programs of others: the examples of org.vfiobind1(5), one of GDBus and one of the installed proxies.
#include "fixture.h"

#include <iterator>
#include <sstream>

namespace vfiobind::bustest::desktop_test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::StartsWith;

const std::string examples = VFIO_BIND_SOURCE_DIR "/packaging/examples";
const std::string slot = "0000:04:00.0";
constexpr unsigned slotGroup = 9;

/// vfio-watch.py, and what it has printed.
class Watch {
public:
    explicit Watch(const std::string& errorFile, const std::vector<std::string>& arguments = {}) :
        errorFile_(errorFile), child_(command(arguments), {}, errorFile) {}

    /// Its next line. Throws with what it complained of when it has ended.
    std::string line() {
        try {
            return child_.readLine();
        } catch (const std::exception& error) {
            throw std::runtime_error(std::string("vfio-watch.py: ") + error.what() + '\n' +
                                     readFile(errorFile_));
        }
    }
    /// All lines up to this one, which is left out.
    std::vector<std::string> until(const std::string& last) {
        std::vector<std::string> lines;
        for (auto text = line(); text != last; text = line())
            lines.push_back(text);
        return lines;
    }

    /// The next lines of objects that came or went. Properties may change in between.
    std::set<std::string> comings(std::size_t count) {
        std::set<std::string> lines;
        while (lines.size() < count)
            if (auto text = line(); !text.starts_with('~'))
                lines.insert(std::move(text));
        return lines;
    }

private:
    static std::vector<std::string> command(const std::vector<std::string>& arguments) {
        // Not the first python3 of PATH: the distribution's has its GObject bindings.
        std::vector<std::string> words{"/usr/bin/python3", examples + "/vfio-watch.py", "--session"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        return words;
    }

    std::string errorFile_;
    Child child_;
};

std::vector<std::string> wordsOf(const std::string& text) {
    std::istringstream stream(text);
    return {std::istream_iterator<std::string>(stream), {}};
}

class DesktopTest : public BusTest {
protected:
    std::string scratch() const { return folder() + "/scratch"; }

    /// What the package for developers holds, below a folder that is no file system's root.
    void installForDevelopers() const {
        const auto installed = run({"cmake", "--install", VFIO_BIND_BINARY_DIR, "--component", "devel"},
                                   {{"DESTDIR", destination()}}, scratch());
        ASSERT_EQ(installed.code, 0) << installed.out << installed.err;
    }
    std::string destination() const { return folder() + "/dest"; }
    std::string data() const { return destination() + VFIO_BIND_DATADIR; }
    Finished pkgConfig(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "pkg-config");
        arguments.emplace_back("vfio-bind");
        return run(arguments,
                   {{"PKG_CONFIG_PATH", data() + "/pkgconfig"}, {"PKG_CONFIG_SYSROOT_DIR", destination()}},
                   scratch());
    }
};

TEST_F(DesktopTest, GdbusSeesObjectsComeAndGo) {
    start();
    Watch watch(scratch());
    std::set<std::string> shown;
    for (const auto& line : watch.until("ready"))
        shown.insert(line.substr(2));
    std::set<std::string> there;
    for (const auto& [path, interfaces] : client().objects())
        if (path != bus::rootPath)
            there.insert(path);
    EXPECT_EQ(shown, there);
    for (int round = 0; round < 3; ++round) {
        tell("hotplug " + networkCard(slot, slotGroup).dump());
        EXPECT_EQ(watch.comings(2),
                  (std::set<std::string>{"+ " + devicePath(slot), "+ " + groupPath(slotGroup)}));
        tell("unplug " + slot);
        EXPECT_EQ(watch.comings(2),
                  (std::set<std::string>{"- " + devicePath(slot), "- " + groupPath(slotGroup)}));
    }
}

TEST_F(DesktopTest, GdbusHearsEveryPropertyChangeOfABind) {
    start();
    client().forget();
    Watch watch(scratch(), {gpu});
    (void)watch.until("ready");
    client().waitForState(1, "bound");
    settle();
    EXPECT_EQ(client().audit(), ""); // brings in what is still on the way
    tell("hotplug " + networkCard(slot, slotGroup).dump());
    client().waitFor("the card", [&] { return client().known().contains(groupPath(slotGroup)); });

    std::map<std::string, std::vector<json>> heard;
    std::set<std::string> others;
    for (std::string line; !line.ends_with(groupPath(slotGroup)); line = watch.line()) {
        const auto words = wordsOf(line);
        if (!line.starts_with('~')) {
            others.insert(line);
            continue;
        }
        const auto name = words.at(1) + ' ' + words.at(2);
        heard[name].push_back(json::parse(line.substr(line.find(words[2]) + words[2].size())));
    }
    auto told = client().changed();
    // The root is no object of its own ObjectManager, and GDBus looks at those only.
    std::erase_if(told, [](const auto& entry) { return entry.first.starts_with("/org/vfiobind1 "); });
    EXPECT_EQ(heard, told);
    EXPECT_EQ(heard.at(groupPath(1) + " State"), (std::vector<json>{"binding", "bound"}));
    EXPECT_EQ(heard.at(devicePath(audio) + " Driver").back(), "vfio-pci");
    const std::string job = "/org/vfiobind1/job/1";
    EXPECT_THAT(others, IsSupersetOf({"+ " + job, "- " + job, "bind: " + job}));
}

TEST_F(DesktopTest, GdbusGetsTheErrorsName) {
    start();
    Watch watch(scratch(), {"no-such-rule"});
    (void)watch.until("ready");
    EXPECT_THAT(watch.line(), StartsWith("bind: org.vfiobind1.Error.NoSuchRule "));
}

TEST_F(DesktopTest, TheInstalledProxiesAreEnoughForAClient) {
    installForDevelopers();
    const auto flags = pkgConfig({"--cflags", "--libs"});
    ASSERT_EQ(flags.code, 0) << flags.err;
    const auto program = folder() + "/vfio-bind-target";
    std::vector<std::string> compiler{VFIO_BIND_CXX, "-std=c++20", "-Wall",
                                      "-Wextra",     "-Werror",    examples + "/vfio-bind-target.cpp",
                                      "-o",          program};
    const auto words = wordsOf(flags.out);
    compiler.insert(compiler.end(), words.begin(), words.end());
    const auto built = run(compiler, {}, scratch(), compilersPatience);
    ASSERT_EQ(built.code, 0) << flags.out << built.err;

    start();
    const auto bound = run({program, "--session", gpu}, {}, scratch());
    EXPECT_EQ(bound.code, 0) << bound.err;
    EXPECT_THAT(bound.out,
                AllOf(HasSubstr("unbind " + gpu + " nouveau"), HasSubstr(groupPath(1) + ": done")));
    EXPECT_EQ(driverOf(audio), "vfio-pci");
    EXPECT_EQ(run({program, "--session", gpu}, {}, scratch()).code, 0) << "nothing to do";

    tell("fail-at vfio-pci/bind <- " + nic + " EBUSY 1000");
    const auto failed = run({program, "--session", nic}, {}, scratch());
    EXPECT_EQ(failed.code, 1);
    EXPECT_THAT(failed.out, HasSubstr(groupPath(3) + ": rolled-back"));

    const auto refused = run({program, "--session", "no-such-rule"}, {}, scratch());
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.err, StartsWith("org.vfiobind1.Error.NoSuchRule: "));
    EXPECT_EQ(run({program}, {}, scratch()).code, 2);
}

TEST_F(DesktopTest, PkgConfigTellsWhereTheInterfacesAre) {
    installForDevelopers();
    const auto asked = pkgConfig({"--variable=interfacesdir"});
    ASSERT_EQ(asked.code, 0) << asked.err;
    auto interfaces = wordsOf(asked.out).at(0);
    if (!interfaces.starts_with(
            destination())) // pkgconf puts the folder before variables, pkg-config does not
        interfaces.insert(0, destination());
    for (const auto* name : {"Manager", "Group", "Device", "Job"}) {
        const auto file = std::string("org.vfiobind1.") + name + ".xml";
        EXPECT_EQ(readFile(interfaces + '/' + file), readFile(VFIO_BIND_SOURCE_DIR "/dbus/" + file));
    }
    EXPECT_EQ(run({"cmp", data() + "/doc/vfio-bind/examples/vfio-watch.py", examples + "/vfio-watch.py"}, {},
                  scratch())
                  .code,
              0);
}

TEST_F(DesktopTest, CMakeFindsThePackage) {
    installForDevelopers();
    const auto project = folder() + "/project";
    ASSERT_EQ(run({"mkdir", project}, {}, scratch()).code, 0);
    writeFile(project + "/CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\n"
                                           "project(client LANGUAGES CXX)\n"
                                           "set(CMAKE_CXX_STANDARD 20)\n"
                                           "find_package(vfio-bind 0.1 REQUIRED)\n"
                                           "add_executable(client " +
                                               examples +
                                               "/vfio-bind-target.cpp)\n"
                                               "target_link_libraries(client PRIVATE vfio-bind::proxies)\n");
    const auto configured =
        run({"cmake", "-S", project, "-B", project + "/build", "-G", "Ninja",
             "-DCMAKE_CXX_COMPILER=" VFIO_BIND_CXX, "-Dvfio-bind_DIR=" + data() + "/cmake/vfio-bind"},
            {}, scratch());
    ASSERT_EQ(configured.code, 0) << configured.out << configured.err;
    const auto built = run({"cmake", "--build", project + "/build"}, {}, scratch(), compilersPatience);
    ASSERT_EQ(built.code, 0) << built.out << built.err;
    EXPECT_EQ(run({project + "/build/client"}, {}, scratch()).code, 2) << "its usage";
}

} // namespace
} // namespace vfiobind::bustest::desktop_test
