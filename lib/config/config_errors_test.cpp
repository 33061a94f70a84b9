// SPDX-License-Identifier: LGPL-2.1-or-later
/// Every error that a configuration can have, with its place and its whole sentence.
#include "config/config.h"

#include <gtest/gtest.h>

namespace vfiobind::config_errors_test {
namespace {

using namespace std::string_literals;

std::string errorsOf(const std::vector<ConfigText>& texts) {
    const auto policy = parsePolicy(texts);
    return policy ? "no error" : str(policy.error());
}

struct Row {
    std::string text;
    std::string error;
};

void expectErrors(const std::vector<Row>& rows) {
    for (const auto& row : rows)
        EXPECT_EQ(errorsOf({{"f.toml", row.text}}), "f.toml:" + row.error) << row.text;
}

/// A rule without fault in three lines, and a fourth.
std::string ruleWith(const std::string& line) {
    return "[[bind]]\nname = 'a'\ndevices = ['10de:1284']\n" + line;
}
std::string devices(const std::string& list) {
    return "[[bind]]\nname = 'a'\ndevices = " + list;
}

TEST(ConfigErrors, UnknownKeys) {
    expectErrors({
        {"color = true", "1:1: unknown key \"color\" in the file: write one of match, daemon, defaults, "
                         "vfio-pci, publish, bind"},
        {"[deamon]", "1:2: unknown key \"deamon\" in the file: did you mean \"daemon\"?"},
        {"[vfio_pci]", "1:2: unknown key \"vfio_pci\" in the file: did you mean \"vfio-pci\"?"},
        {"[[rule]]", "1:3: unknown key \"rule\" in the file: write one of match, daemon, defaults, vfio-pci, "
                     "publish, bind"},
        {"[a.b]\nc = 1",
         "1:2: unknown key \"a\" in the file: write one of match, daemon, defaults, vfio-pci, publish, bind"},
        {"[daemon]\nlevel = 1", "2:1: unknown key \"level\" in [daemon]: write log-level"},
        {"[daemon]\nlog_level = 'info'",
         "2:1: unknown key \"log_level\" in [daemon]: did you mean \"log-level\"?"},
        {"[vfio-pci]\n  disable-vgaa = true",
         "2:3: unknown key \"disable-vgaa\" in [vfio-pci]: did you mean \"disable-vga\"?"},
        {"[vfio-pci]\nids = '10de:1284'", "2:1: unknown key \"ids\" in [vfio-pci]: write one of disable-vga, "
                                          "disable-idle-d3, allow-unsafe-interrupts"},
        {"[defaults]\ndrivr = 'auto'", "2:1: unknown key \"drivr\" in [defaults]: did you mean \"driver\"?"},
        {ruleWith("sriov_vfs = 4"),
         "4:1: unknown key \"sriov_vfs\" in [[bind]]: did you mean \"sriov-vfs\"?"},
        {ruleWith("\"\\n\" = 4"),
         "4:1: unknown key \"\\n\" in [[bind]]: write one of name, devices, members, "
         "driver, method, allow, count, sriov-vfs, node, keep, when, pause-units, give-back, timeout"},
        {devices("[{ adress = '01:00.0' }]"),
         "3:14: unknown key \"adress\" in a selector: did you mean \"address\"?"},
        {ruleWith("node = { user = 'x' }"),
         "4:10: unknown key \"user\" in node: write one of owner, group, mode"},
    });
}

TEST(ConfigErrors, WrongTypes) {
    expectErrors({
        {"daemon = 3", "1:10: daemon must be a table, as in [daemon], not a whole number"},
        {"[[defaults]]", "1:1: defaults must be a table, as in [defaults], not a list"},
        {"vfio-pci = true", "1:12: vfio-pci must be a table, as in [vfio-pci], not true or false"},
        {"[bind]\nname = 'a'", "1:1: each rule is a [[bind]] of its own, in double brackets"},
        {"bind = [1]", "1:9: each rule is a [[bind]] table with a name and devices"},
        {"[daemon]\nlog-level = 3",
         "2:13: log-level must be a string, as in log-level = \"info\", not a whole number"},
        {"[vfio-pci]\ndisable-vga = 'yes'",
         "2:15: disable-vga must be true or false, as in disable-vga = true, not a string"},
        {"[vfio-pci]\ndisable-idle-d3 = 1",
         "2:19: disable-idle-d3 must be true or false, as in disable-idle-d3 = true, not a whole number"},
        {"[vfio-pci]\nallow-unsafe-interrupts = []",
         "2:27: allow-unsafe-interrupts must be true or false, as in "
         "allow-unsafe-interrupts = true, not a list"},
        {"[[bind]]\nname = 1\ndevices = ['10de:']",
         "2:8: name must be a string, as in name = \"guest-gpu\", not a whole number"},
        {devices("'10de:1284'"),
         "3:11: devices must be a list, as in devices = [\"10de:1284\"], not a string"},
        {devices("['10de:1284',\n  7.5]"),
         "4:3: what devices lists must be a string or a table, as in devices = "
         "[\"10de:1284\"], not a number with a fraction"},
        {devices("[{ address = 1 }]"),
         "3:24: address must be a string, as in { address = \"0000:01:00.0\" }, not a whole number"},
        {devices("[{ id = {} }]"), "3:19: id must be a string, as in { id = \"10de:1284\" }, not a table"},
        {devices("[{ subsystem = 2026-01-01 }]"),
         "3:26: subsystem must be a string, as in { subsystem = \"8086:00a2\" }, not a date or time"},
        {devices("[{ path = true }]"),
         "3:21: path must be a string, as in { path = \"0000:00/01.0/00.0\" }, not true or false"},
        {ruleWith("driver = []"), "4:10: driver must be a string, as in driver = \"vfio-pci\", not a list"},
        {ruleWith("method = 1"),
         "4:10: method must be a string, as in method = \"override\", not a whole number"},
        {ruleWith("allow = 'swap'"),
         "4:9: allow must be a list, as in allow = [\"boot-display\"], not a string"},
        {ruleWith("allow = [1]"),
         "4:10: what allow lists must be a string, as in allow = [\"boot-display\"], not a whole number"},
        {ruleWith("count = '1'"), "4:9: count must be a whole number, as in count = 1, not a string"},
        {ruleWith("node = 'kvm'"),
         "4:8: node must be a table, as in node = { group = \"kvm\", mode = \"0660\" }, not a string"},
        {ruleWith("node = { mode = 0o660 }"),
         "4:17: mode must be a string, as in node = { mode = \"0660\" }, not a whole number"},
        {ruleWith("node = { group = 36 }"),
         "4:18: group must be a string, as in node = { group = \"kvm\" }, not a whole number"},
        {ruleWith("node = { owner = 64055 }"),
         "4:18: owner must be a string, as in node = { owner = \"libvirt-qemu\" }, not a whole number"},
        {ruleWith("keep = 'yes'"), "4:8: keep must be true or false, as in keep = true, not a string"},
        {ruleWith("sriov-vfs = 4.0"),
         "4:13: sriov-vfs must be a whole number, as in sriov-vfs = 4, not a number with a fraction"},
        {ruleWith("when = true"), "4:8: when must be a string, as in when = \"always\", not true or false"},
        {ruleWith("give-back = false"),
         "4:13: give-back must be a string, as in give-back = \"native\", not true or false"},
        {ruleWith("members = '10de:0e0f'"),
         "4:11: members must be a list, as in members = [\"10de:0e0f\"], not a string"},
        {ruleWith("members = [1]"), "4:12: what members lists must be a string or a table, as in members = "
                                    "[\"10de:0e0f\"], not a whole number"},
        {ruleWith("pause-units = 'a.service'"), "4:15: pause-units must be a list, as in pause-units = "
                                                "[\"display-manager.service\"], not a string"},
        {ruleWith("pause-units = [1]"), "4:16: what pause-units lists must be a string, as in pause-units = "
                                        "[\"display-manager.service\"], not a whole number"},
        {ruleWith("timeout = 30"),
         "4:11: timeout must be a string, as in timeout = \"30s\", not a whole number"},
    });
}

TEST(ConfigErrors, WrongValues) {
    expectErrors({
        {"[daemon]\nlog-level = 'warning'",
         "2:13: unknown log level \"warning\": write one of trace, debug, info, "
         "warn, error"},
        {"[daemon]\nlog-level = 'inf'", "2:13: unknown log level \"inf\": did you mean \"info\"?"},
        {ruleWith("driver = ''"),
         "4:10: \"\" is no driver: write \"auto\" or a driver's name of letters, digits, - "
         "and _, as in \"vfio-pci\""},
        {ruleWith("driver = '../x'"),
         "4:10: \"../x\" is no driver: write \"auto\" or a driver's name of letters, "
         "digits, - and _, as in \"vfio-pci\""},
        {ruleWith("method = 'new_id'"), "4:10: unknown method \"new_id\": did you mean \"new-id\"?"},
        {ruleWith("method = 'unbind'"), "4:10: unknown method \"unbind\": write one of override, new-id"},
        {ruleWith("when = 'aksed'"), "4:8: unknown when \"aksed\": did you mean \"asked\"?"},
        {ruleWith("when = 'boot'"), "4:8: unknown when \"boot\": write one of always, asked"},
        {ruleWith("give-back = 'no'"), "4:13: unknown give-back \"no\": write one of native, never"},
        {ruleWith("members = ['10de:12']"),
         "4:12: \"10de:12\" is no id pattern: the device is four hexadecimal digits, or empty "
         "or * for any, not \"12\""},
        {ruleWith("count = 0"), "4:9: count must be from 1 to 65535, not 0"},
        {ruleWith("count = -1"), "4:9: count must be from 1 to 65535, not -1"},
        {ruleWith("sriov-vfs = 65536"), "4:13: sriov-vfs must be from 0 to 65535, not 65536"},
        {ruleWith("sriov-vfs = 9223372036854775807"),
         "4:13: sriov-vfs must be from 0 to 65535, not 9223372036854775807"},
        {ruleWith("timeout = '30'"),
         "4:11: \"30\" is no time span: write a number with ms, s, min or h, as in 30s, 500ms or 1min 30s"},
        {ruleWith("timeout = '0s'"), "4:11: \"0s\" is no time span: it must be from 1ms to 24h"},
        {ruleWith("node = {}"),
         "4:8: node says nothing: write who may open it, as in node = { group = \"kvm\", mode = \"0660\" }"},
        {ruleWith("node = { group = 'a b' }"),
         "4:18: \"a b\" is no group: write a name of letters, digits, -, _ and ., or a number"},
        {ruleWith("node = { owner = \"root\\n\" }"),
         "4:18: \"root\\n\" is no user: write a name of letters, digits, -, _ and ., or a number"},
        {ruleWith("node = { owner = '' }"),
         "4:18: \"\" is no user: write a name of letters, digits, -, _ and ., or a number"},
        {ruleWith("node = { mode = '660' }"),
         "4:17: \"660\" is no mode: write four octal digits, as in \"0660\""},
        {ruleWith("node = { mode = '0680' }"),
         "4:17: \"0680\" is no mode: write four octal digits, as in \"0660\""},
        {ruleWith("node = { mode = 'rw--' }"),
         "4:17: \"rw--\" is no mode: write four octal digits, as in \"0660\""},
    });
}

TEST(ConfigErrors, PausedUnits) {
    const std::string whole = " is no unit that could be paused: write its whole name, as in "
                              "\"display-manager.service\"; it ends in .service, .socket, .target, .timer, "
                              ".path";
    const auto units = [](const std::string& list) { return ruleWith("pause-units = " + list); };
    expectErrors({
        {units("['gdm']"), "4:16: \"gdm\"" + whole},
        {units("['a.service', 'dev-sda.device']"), "4:29: \"dev-sda.device\"" + whole},
        {units("['../a.service']"), "4:16: \"../a.service\"" + whole},
        {units("['a b.service']"), "4:16: \"a b.service\"" + whole},
        {units("['" + std::string(248, 'n') + ".service']"),
         "4:16: \"" + std::string(64, 'n') + "...\"" + whole},
        {units("['.service']"), "4:16: \".service\" lacks its name: write it before .service"},
        {units("['vm@.service']"),
         "4:16: \"vm@.service\" is a template: name an instance of it, as in \"vm@1.service\""},
        {units("['vfio-bind.service']"),
         "4:16: \"vfio-bind.service\" is needed to start the units again: take it out"},
        {units("['dbus.socket']"), "4:16: \"dbus.socket\" is needed to start the units again: take it out"},
    });
    EXPECT_EQ(errorsOf({{"f.toml", units("['" + std::string(247, 'n') + R"(.service', 'a\x2db@1.timer'])")}}),
              "no error");
}

TEST(ConfigErrors, BlockerCodes) {
    expectErrors({
        {ruleWith("allow = ['boot-dispaly']"),
         "4:10: unknown blocker code \"boot-dispaly\": did you mean \"boot-display\"?"},
        {ruleWith("allow = ['mounted', 'boot_display']"),
         "4:21: unknown blocker code \"boot_display\": did you mean \"boot-display\"?"},
        {ruleWith("allow = ['everything']"),
         "4:10: unknown blocker code \"everything\": the nearest are mounted, usb-storage, mediated"},
        {ruleWith("allow = ['no-iomu']"),
         "4:10: unknown blocker code \"no-iomu\": did you mean \"no-iommu\"? It cannot be allowed, though"},
        {"[defaults]\nallow = ['']",
         "2:10: unknown blocker code \"\": the nearest are swap, in-use, console"},
    });
    expectErrors({
        {ruleWith("allow = ['leased']"),
         "4:10: \"leased\" can be allowed by a call that releases only: take it out"},
        {ruleWith("allow = ['unexpected-member']"),
         "4:10: \"unexpected-member\" can be allowed by a call only, as with --allow unexpected-member: take "
         "it out"},
    });
    for (const std::string code : {"driver-missing", "no-iommu", "not-viable", "id-mismatch", "ambiguous",
                                   "direct-reserved-region", "inaccessible", "denylisted"})
        expectErrors(
            {{ruleWith("allow = ['" + code + "']"),
              "4:10: \"" + code +
                  "\" cannot be allowed: the kernel would refuse anyway, or the wrong device would be taken; "
                  "take it out and remove the cause"}});
}

TEST(ConfigErrors, NamesAndDevices) {
    const std::string noName =
        " is no rule name: write up to 255 letters, digits, - and _, as in \"guest-gpu\"";
    const std::string longName(256, 'n');
    expectErrors({
        {"\n[[bind]]\ndevices = ['10de:']", "2:1: [[bind]] has no name: add one, as in name = \"guest-gpu\""},
        {"[[bind]]\nname = ''\ndevices = ['10de:']", "2:8: \"\"" + noName},
        {"[[bind]]\nname = 'a b'\ndevices = ['10de:']", "2:8: \"a b\"" + noName},
        {"[[bind]]\nname = '../a'\ndevices = ['10de:']", "2:8: \"../a\"" + noName},
        {"[[bind]]\nname = 'größe'\ndevices = ['10de:']", "2:8: \"größe\"" + noName},
        {"[[bind]]\nname = '" + longName + "'\ndevices = ['10de:']",
         "2:8: \"" + longName.substr(0, 64) + "...\"" + noName},
        {"[[bind]]\nname = 'a'", "1:1: [[bind]] has no devices: add them, as in devices = [\"10de:1284\"]"},
        {devices("[]"), "3:11: devices is empty: name at least one, as in devices = [\"10de:1284\"]"},
        {"[defaults]\nname = 'a'", "2:8: name cannot have a default: write it in each [[bind]]"},
        {"[defaults]\ndevices = ['10de:']", "2:11: devices cannot have a default: write it in each [[bind]]"},
        {"[defaults]\nmembers = []", "2:11: members cannot have a default: write it in each [[bind]]"},
        {"[defaults]\ncount = 1", "2:9: count cannot have a default: write it in each [[bind]]"},
        {"[defaults]\nsriov-vfs = 1", "2:13: sriov-vfs cannot have a default: write it in each [[bind]]"},
        {"[defaults]\npause-units = []",
         "2:15: pause-units cannot have a default: write it in each [[bind]]"},
    });
}

TEST(ConfigErrors, Selectors) {
    expectErrors({
        {devices("['']"),
         "3:12: \"\" is no selector: write an address (0000:01:00.0), an id (10de:1284, 10de:, "
         "::0300) or a bridge path (path:0000:00/01.0/00.0)"},
        {devices("['10de:', '01:00']"),
         "3:21: \"01:00\" lacks the function: an address is written 0000:01:00.0"},
        {devices("['10de:12']"),
         "3:12: \"10de:12\" is no id pattern: the device is four hexadecimal digits, or empty "
         "or * for any, not \"12\""},
        {devices("['*:*']"),
         "3:12: \"*:*\" is no id pattern: it names every device of the machine; give at least a "
         "vendor, device or class, as in 10de:"},
        {devices("[{}]"),
         "3:12: a selector without keys names nothing: write { address = \"0000:01:00.0\" }, or one or "
         "more of id, subsystem, path and serial"},
        {devices("[{ address = '10de:1284' }]"), "3:24: \"10de:1284\" is no PCI address: write "
                                                 "[domain:]bus:device.function, as in 0000:01:00.0"},
        {devices("[{ id = '01:00.0' }]"),
         "3:19: \"01:00.0\" is no id pattern: the vendor is four hexadecimal digits, "
         "or empty or * for any, not \"01\""},
        {devices("[{ subsystem = '8086' }]"),
         "3:26: \"8086\" is no subsystem: write vendor:device, as in 8086:00a2, or "
         "8086: for any of that vendor"},
        {devices("[{ path = 'path:0000:00/01.0' }]"),
         "3:21: \"path:0000:00/01.0\" is no bridge path: it begins with "
         "domain and root bus, as in 0000:00/01.0/00.0"},
        // case 53: eight digits of domain are read, nine are not.
        {devices("['100000000:01:00.0']"),
         "3:12: \"100000000:01:00.0\" is no PCI address: the domain is one to eight "
         "hexadecimal digits, as in 0000:01:00.0"},
        // case 52
        {devices("['../../../dev/mem']"), "3:12: \"../../../dev/mem\" is no PCI address: write "
                                          "[domain:]bus:device.function, as in 0000:01:00.0"},
        {devices("[{ address = '../1:00.0' }]"), "3:24: \"../1:00.0\" is no PCI address: write "
                                                 "[domain:]bus:device.function, as in 0000:01:00.0"},
        {devices("[\"01:00.0\\n\"]"),
         "3:12: \"01:00.0\\n\" is no PCI address: the function, after the dot, is one digit "
         "from 0 to 7"},
        {devices("[\"01:00.0\\u0000\"]"),
         "3:12: \"01:00.0\\x00\" is no PCI address: the function, after the dot, is "
         "one digit from 0 to 7"},
    });
}

/// The place and our part of the sentence; the rest is toml++'s and changes with its version.
TEST(ConfigErrors, Syntax) {
    struct SyntaxRow {
        std::string text, beginning, word;
    };
    const SyntaxRow rows[] = {
        {"[[bind]]\nname = 'a", "f.toml:2:10: this is no TOML: ", "end-of-file"},
        {"[[bind]]\nname = 'a'\nname = 'b'",
         "f.toml:3:8: this is no TOML: ", "redefine existing string 'name'"},
        {"[daemon]\n[daemon]", "f.toml:2:1: this is no TOML: ", "redefine existing table 'daemon'"},
        {"[bind]\n[[bind]]", "f.toml:2:1: this is no TOML: ", "'bind'"},
        {"a = \"\0\""s, "f.toml:1:6: this is no TOML: ", "control characters"},
        {"a = '\xff'", "f.toml:1:5: this is no TOML: ", "utf-8"},
        {"a = 0660", "f.toml:1:9: this is no TOML: ", "leading zeroes"},
        {"\"\\u001b[31m\" = 1\n\"\\u001b[31m\" = 2",
         "f.toml:2:16: this is no TOML: ", "redefine existing integer"},
    };
    for (const auto& row : rows) {
        const auto error = errorsOf({{"f.toml", row.text}});
        EXPECT_EQ(error.substr(0, row.beginning.size()), row.beginning) << error;
        EXPECT_NE(error.find(row.word), std::string::npos) << error;
        for (const char c : error)
            EXPECT_GE(static_cast<unsigned char>(c), 0x20U) << "what a terminal would obey is escaped";
    }
}

} // namespace
} // namespace vfiobind::config_errors_test
