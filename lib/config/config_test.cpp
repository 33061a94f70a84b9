// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/config.h"

#include "config/blocker_codes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vfiobind::config_test {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

Policy parsed(const std::vector<ConfigText>& texts) {
    auto policy = parsePolicy(texts);
    if (!policy)
        throw std::runtime_error(str(policy.error()));
    return std::move(*policy);
}

TEST(Config, NothingSaidIsAPolicyWithoutRules) {
    const auto policy = parsed({});
    EXPECT_EQ(policy.logLevel, "info");
    EXPECT_EQ(policy.modules, ModuleOptions{});
    EXPECT_TRUE(policy.rules.empty());
    EXPECT_TRUE(policy.files.empty());
    EXPECT_EQ(parsed({{"f", ""}}).files, std::vector<std::string>{"f"});
}

TEST(Config, ReadsEveryKey) {
    const auto policy = parsed({{"f.toml", R"(
[daemon]
log-level = "debug"
[vfio-pci]
disable-vga = true
disable-idle-d3 = false
[[bind]]
name = "guest-gpu"
devices = ["10de:1284", "01:00.0", "path:0000:00/01.0/00.0",
           { address = "0000:02:00.0", id = "10de:1285" },
           { id = "8086:1520", subsystem = "8086:00a2", path = "0:0/3.0/0.0" }]
driver = "mlx5_vfio_pci"
method = "new-id"
allow = ["boot-display", "console", "boot-display"]
count = 2
node = { owner = "libvirt-qemu", group = "kvm", mode = "0660" }
keep = true
sriov-vfs = 4
members = ["10de:0e0f", { id = "10de:1286" }]
when = "asked"
pause-units = ["display-manager.service", "nvidia-persistenced.service", "display-manager.service"]
give-back = "never"
timeout = "1min 30s"
)"}});
    EXPECT_EQ(policy.logLevel, "debug");
    EXPECT_EQ(policy.modules, (ModuleOptions{true, false, std::nullopt}));
    ASSERT_EQ(policy.rules.size(), 1U);
    const Rule& rule = policy.rules[0];
    EXPECT_EQ(rule.name, "guest-gpu");
    std::vector<std::string> devices;
    for (const auto& selector : rule.devices)
        devices.push_back(selector.str());
    EXPECT_EQ(devices, (std::vector<std::string>{
                           "10de:1284", "0000:01:00.0", "path:0000:00/01.0/00.0",
                           R"({ address = "0000:02:00.0", id = "10de:1285" })",
                           R"({ id = "8086:1520", subsystem = "8086:00a2", path = "0000:00/03.0/00.0" })"}));
    EXPECT_EQ(rule.driver, "mlx5_vfio_pci");
    EXPECT_EQ(rule.method, Method::newId);
    EXPECT_EQ(rule.allow, (std::vector<std::string>{"boot-display", "console"}));
    EXPECT_EQ(rule.count, 2U);
    EXPECT_EQ(rule.node, (NodeAccess{"libvirt-qemu", "kvm", "0660"}));
    EXPECT_TRUE(rule.keep);
    EXPECT_EQ(rule.sriovVfs, 4U);
    ASSERT_TRUE(rule.members);
    ASSERT_EQ(rule.members->size(), 2U);
    EXPECT_EQ((*rule.members)[1].str(), "10de:1286");
    EXPECT_EQ(rule.when, When::asked);
    EXPECT_EQ(rule.pauseUnits,
              (std::vector<std::string>{"display-manager.service", "nvidia-persistenced.service"}));
    EXPECT_EQ(rule.giveBack, GiveBack::never);
    EXPECT_EQ(rule.timeout, 90s);
    EXPECT_EQ(rule.where.str(), "f.toml:7:1");
    EXPECT_EQ(policy.find("guest-gpu"), &policy.rules[0]);
    EXPECT_EQ(policy.find("guest"), nullptr);
}

TEST(Config, LeftOutKeysHaveTheirDefaults) {
    const auto policy = parsed({{"f", "[[bind]]\nname = 'a'\ndevices = ['10de:']"}});
    const Rule& rule = policy.rules.at(0);
    EXPECT_EQ(rule.driver, "auto");
    EXPECT_EQ(rule.method, Method::driverOverride);
    EXPECT_TRUE(rule.allow.empty());
    EXPECT_EQ(rule.count, std::nullopt);
    EXPECT_EQ(rule.node, NodeAccess{});
    EXPECT_FALSE(rule.keep);
    EXPECT_EQ(rule.sriovVfs, 0U);
    EXPECT_EQ(rule.members, std::nullopt);
    EXPECT_EQ(rule.when, When::always);
    EXPECT_TRUE(rule.pauseUnits.empty());
    EXPECT_EQ(rule.giveBack, GiveBack::native);
    EXPECT_EQ(rule.timeout, 30s);
}

constexpr std::string_view defaults = R"(
[defaults]
driver = "vfio-pci"
method = "new-id"
allow = ["swap", "mounted"]
node = { group = "kvm", mode = "0660" }
keep = true
when = "asked"
give-back = "never"
timeout = "500ms"
)";

TEST(Config, DefaultsHoldWhereARuleIsSilent) {
    // The order in the file does not matter: the rule stands before.
    const auto policy =
        parsed({{"f", "[[bind]]\nname = 'a'\ndevices = ['10de:']\n" + std::string{defaults}}});
    const Rule& rule = policy.rules.at(0);
    EXPECT_EQ(rule.driver, "vfio-pci");
    EXPECT_EQ(rule.method, Method::newId);
    EXPECT_EQ(rule.allow, (std::vector<std::string>{"swap", "mounted"}));
    EXPECT_EQ(rule.node, (NodeAccess{"", "kvm", "0660"}));
    EXPECT_TRUE(rule.keep);
    EXPECT_EQ(rule.when, When::asked);
    EXPECT_EQ(rule.giveBack, GiveBack::never);
    EXPECT_EQ(rule.timeout, 500ms);
}

TEST(Config, ARuleOverridesTheDefaultsKeyByKey) {
    const auto policy = parsed({{"f", std::string{defaults} + R"([[bind]]
name = 'a'
devices = ['10de:']
driver = "auto"
method = "override"
allow = []
node = { owner = "qemu" }
keep = false
when = "always"
give-back = "native"
timeout = "2min"
)"}});
    const Rule& rule = policy.rules.at(0);
    EXPECT_EQ(rule.driver, "auto");
    EXPECT_EQ(rule.method, Method::driverOverride);
    EXPECT_TRUE(rule.allow.empty());
    EXPECT_EQ(rule.node, (NodeAccess{"qemu", "", ""})) << "tables are replaced as a whole";
    EXPECT_FALSE(rule.keep);
    EXPECT_EQ(rule.when, When::always);
    EXPECT_EQ(rule.giveBack, GiveBack::native);
    EXPECT_EQ(rule.timeout, 2min);
}

TEST(Config, LaterFilesOverrideSettingsAndAddRules) {
    const auto policy = parsed({
        {"main",
         "[daemon]\nlog-level = 'warn'\n[defaults]\nkeep = true\ntimeout = '1s'\n[vfio-pci]\ndisable-vga = "
         "true\ndisable-idle-d3 = true\n[[bind]]\nname = 'a'\ndevices = ['10de:']"},
        {"drop",
         "[defaults]\ntimeout = '2s'\n[vfio-pci]\ndisable-vga = false\n[[bind]]\nname = 'b'\ndevices = "
         "['8086:']"},
    });
    EXPECT_EQ(policy.logLevel, "warn");
    EXPECT_EQ(policy.modules, (ModuleOptions{false, true, std::nullopt}));
    ASSERT_EQ(policy.rules.size(), 2U);
    for (const auto& rule : policy.rules) {
        EXPECT_TRUE(rule.keep) << rule.name;
        EXPECT_EQ(rule.timeout, 2s) << rule.name << ": a default holds for the rules of all files";
    }
    EXPECT_EQ(policy.rules[1].where.str(), "drop:5:1");
    EXPECT_EQ(policy.files, (std::vector<std::string>{"main", "drop"}));
}

/// case 53
TEST(Config, TakesDomainsOfUpToEightDigits) {
    const auto policy =
        parsed({{"f", "[[bind]]\nname = 'a'\ndevices = ['10000:01:00.0', 'ffffffff:e1:1f.7']"}});
    EXPECT_EQ(policy.rules.at(0).devices.at(0).address->domain, 0x10000U);
    EXPECT_EQ(policy.rules.at(0).devices.at(1).address->domain, 0xffffffffU);
}

TEST(Config, EveryAllowableCodeIsTaken) {
    for (const auto& code : blockerCodes) {
        const auto policy = parsePolicy(
            {{"f", "[[bind]]\nname = 'a'\ndevices = ['10de:']\nallow = ['" + std::string{code.name} + "']"}});
        EXPECT_EQ(policy.has_value(), code.allowable && code.where == AllowedIn::everywhere) << code.name;
    }
}

std::string contentOf(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

TEST(Config, TheInstalledFileBindsNothing) {
    const std::string content = contentOf(fs::path{VFIO_BIND_SOURCE_DIR} / "conf/vfio-bind.toml");
    ASSERT_FALSE(content.empty());
    const auto policy = parsed({{"vfio-bind.toml", content}});
    EXPECT_TRUE(policy.rules.empty());
    EXPECT_EQ(policy.modules, ModuleOptions{});
}

/// With its comment signs taken away the example has to be right as well.
TEST(Config, TheInstalledExampleIsRight) {
    std::istringstream lines(contentOf(fs::path{VFIO_BIND_SOURCE_DIR} / "conf/vfio-bind.toml"));
    std::string uncommented;
    for (std::string line; std::getline(lines, line);)
        uncommented +=
            line.starts_with('#') && line.size() > 1 && line[1] != ' ' ? line.substr(1) + "\n" : "\n";
    auto read = parsePolicy({{"vfio-bind.toml", uncommented}}, {.host = "gpu7"});
    ASSERT_TRUE(read) << str(read.error());
    const auto policy = std::move(*read);
    ASSERT_EQ(policy.rules.size(), 2U);
    EXPECT_EQ(policy.rules[0].name, "guest-gpu");
    EXPECT_EQ(policy.rules[1].sriovVfs, 4U);
    EXPECT_EQ(policy.modules, (ModuleOptions{true, false, false}));
}

class LoadPolicy : public testing::Test {
protected:
    LoadPolicy() {
        std::string name = (fs::temp_directory_path() / "vfio-bind-config-XXXXXX").string();
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), name);
        root_ = name;
    }
    ~LoadPolicy() override { fs::remove_all(root_); }

    std::string main() const { return (root_ / "vfio-bind.toml").string(); }
    std::string dropIn(const std::string& name) const { return (root_ / "vfio-bind.d" / name).string(); }

    void put(const std::string& path, const std::string& content) {
        fs::create_directories(fs::path{path}.parent_path());
        std::ofstream(path) << content;
    }
    static std::string rule(const std::string& name, const std::string& vendor) {
        return "[[bind]]\nname = '" + name + "'\ndevices = ['" + vendor + ":']\n";
    }

    fs::path root_;
};

/// case 63
TEST_F(LoadPolicy, MissingFilesAreAPolicyWithoutRules) {
    const auto policy = loadPolicy(main());
    ASSERT_TRUE(policy) << str(policy.error());
    EXPECT_TRUE(policy->rules.empty());
    EXPECT_TRUE(policy->files.empty());
}

// case 60: an edit of a drop-in shows in the drop-in alone
TEST_F(LoadPolicy, IsMadeOfTheMainFileTheFolderAndEachDropIn) {
    const auto folder = (root_ / "vfio-bind.d").string();
    EXPECT_EQ(configFiles(main()), (std::vector{main(), folder}));
    put(dropIn("b.toml"), "");
    put(dropIn("a.toml"), "");
    put(dropIn("notes.txt"), "");
    EXPECT_EQ(configFiles(main()), (std::vector{main(), folder, dropIn("a.toml"), dropIn("b.toml")}));
}

TEST_F(LoadPolicy, ReadsTheMainFileThenDropInsInOrderOfName) {
    put(main(), rule("main", "0001"));
    put(dropIn("20-b.toml"), rule("b", "0003"));
    put(dropIn("10-a.toml"), rule("a", "0002"));
    put(dropIn("README"), "no TOML");
    put(dropIn("c.toml.dpkg-old"), "no TOML");
    put(dropIn(".c.toml"), "no TOML");
    const auto policy = loadPolicy(main());
    ASSERT_TRUE(policy) << str(policy.error());
    EXPECT_EQ(policy->files, (std::vector<std::string>{main(), dropIn("10-a.toml"), dropIn("20-b.toml")}));
    ASSERT_EQ(policy->rules.size(), 3U);
    EXPECT_EQ(policy->rules[1].name, "a");
    EXPECT_EQ(policy->rules[1].where.str(), dropIn("10-a.toml") + ":1:1");
}

TEST_F(LoadPolicy, DropInsDoNotNeedTheMainFile) {
    put(dropIn("a.toml"), rule("a", "0002"));
    const auto policy = loadPolicy(main());
    ASSERT_TRUE(policy) << str(policy.error());
    EXPECT_EQ(policy->files, std::vector<std::string>{dropIn("a.toml")});
}

/// case 63; a directory and a dangling link stand for what root cannot read either.
TEST_F(LoadPolicy, UnreadableFilesAreErrorsBesideTheOthers) {
    fs::create_directories(main());
    fs::create_directories(root_ / "vfio-bind.d");
    fs::create_symlink("nowhere", dropIn("a.toml"));
    put(dropIn("b.toml"), "x = 1");
    const auto policy = loadPolicy(main());
    ASSERT_FALSE(policy);
    const std::string advice = "; make it a file that root can read, or remove it\n";
    EXPECT_EQ(str(policy.error()),
              main() + ": cannot be read: EISDIR (Is a directory)" + advice + dropIn("a.toml") +
                  ": cannot be read: ENOENT (No such file or directory)" + advice + dropIn("b.toml") +
                  ":1:1: unknown key \"x\" in the file: write one of match, daemon, defaults, vfio-pci, "
                  "publish, bind");
}

TEST_F(LoadPolicy, ADropInDirectoryThatIsNoneIsAnError) {
    put((root_ / "vfio-bind.d").string(), "");
    const auto policy = loadPolicy(main());
    ASSERT_FALSE(policy);
    EXPECT_EQ(str(policy.error()),
              (root_ / "vfio-bind.d").string() +
                  ": cannot be read: ENOTDIR (Not a directory); make it a file that root can "
                  "read, or remove it");
}

/// Opening a FIFO waits for a writer: the daemon would never start.
TEST_F(LoadPolicy, AFifoDoesNotBlock) {
    ASSERT_EQ(::mkfifo(main().c_str(), 0600), 0);
    const auto policy = loadPolicy(main());
    EXPECT_TRUE(policy) << str(policy.error());
}

TEST(DropInDirectory, BelongsToTheMainFile) {
    EXPECT_EQ(dropInDirectory("/etc/vfio-bind.toml"), "/etc/vfio-bind.d");
    EXPECT_EQ(dropInDirectory("my.toml"), "my.d");
    EXPECT_EQ(dropInDirectory("/etc/policy"), "/etc/policy.d");
}

TEST(SourceLocation, PrintsWhatIsKnown) {
    EXPECT_EQ((SourceLocation{"f", 3, 4}.str()), "f:3:4");
    EXPECT_EQ((SourceLocation{"f", 0, 0}.str()), "f");
}

} // namespace
} // namespace vfiobind::config_test
