// SPDX-License-Identifier: LGPL-2.1-or-later
/// A host with other programs' files, and what import makes of it, for the tests.
#pragma once

#include "import/import.h"

#include "config/config.h"
#include "fake/machine.h"
#include "golden.h"
#include "plan/wanted.h"

#include <fmt/format.h>
#include <map>
#include <ostream>
#include <string>

namespace vfiobind::ctl::importtest {

using Files = std::map<std::string, std::string>;

struct Host {
    const char* name; ///< of the golden files
    Files files;
};

inline void PrintTo(const Host& host, std::ostream* out) {
    *out << host.name;
}

inline std::string nameOf(const Ids& ids) {
    static const std::map<std::string, std::string> names{
        {"10de:1284", "NVIDIA Corporation GK208 [GeForce GT 630 Rev. 2]"},
        {"10de:0e0f", "NVIDIA Corporation GK208 HDMI/DP Audio Controller"},
        {"10de:11bf", "NVIDIA Corporation GK104GL [GRID K2]"},
        {"10de:1b80", "NVIDIA Corporation GP104 [GeForce GTX 1080]"},
        {"10de:10f0", "NVIDIA Corporation GP104 High Definition Audio Controller"},
        {"8086:10d3", "Intel Corporation 82574L Gigabit Network Connection"}};
    const auto found = names.find(ids.str());
    return found == names.end() ? "" : found->second;
}

/// The small machine with two of the four GRID K2 of the guide.
inline FakeKernel kernelOf(const Files& files) {
    auto kernel = fakemachine::machine();
    kernel.addRootPort("0000:00:03.0", 4, 4);
    kernel.addRootPort("0000:00:04.0", 5, 5);
    kernel.addDevice({.address = "0000:04:00.0", .ids = "10de:11bf", .classCode = 0x030000, .group = 45});
    kernel.addDevice({.address = "0000:05:00.0", .ids = "10de:11bf", .classCode = 0x030000, .group = 46});
    for (const auto& [path, content] : files)
        kernel.putFile(path, content);
    return kernel;
}

inline Imported importOf(const FakeKernel& kernel, const std::vector<std::string>& from = {},
                         const std::set<std::string>& taken = {}) {
    const auto topology = Topology::read(kernel).value();
    return importFrom({.sysfs = kernel, .topology = topology, .name = nameOf}, from, taken);
}

inline std::string saidBesides(const Imported& imported) {
    std::string text;
    for (const auto& warning : imported.warnings)
        text += warning.str() + '\n';
    text += renderRemovable(imported.removable) + '\n';
    for (const auto& one : imported.looked)
        if (one.devices + one.warnings != 0)
            text += fmt::format("{}: {} devices, {} warnings\n", one.name, one.devices, one.warnings);
    return text;
}

inline Policy parsed(const std::string& toml) {
    const auto policy = parsePolicy({{"imported.toml", toml}});
    EXPECT_TRUE(policy) << (policy ? "" : str(policy.error())) << '\n' << toml;
    return policy.value_or(Policy{});
}

/// The files NAME.toml and NAME.txt of tests/golden/import have what comes of the host, and our own parser
/// reads it.
inline Policy expectImport(const Host& host) {
    const auto kernel = kernelOf(host.files);
    const auto imported = importOf(kernel);
    expectGolden("import/" + std::string(host.name) + ".toml", imported.toml);
    expectGolden("import/" + std::string(host.name) + ".txt", saidBesides(imported));
    auto policy = parsed(imported.toml);
    EXPECT_EQ(str(contradictions(policy, Topology::read(kernel).value())), "");
    return policy;
}

inline std::string testName(const testing::TestParamInfo<Host>& one) {
    std::string name = one.param.name;
    std::erase(name, '-');
    return name;
}

} // namespace vfiobind::ctl::importtest
