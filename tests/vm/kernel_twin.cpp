// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Plays one table of scenarios on a real kernel or on a fake one that is its twin, and tells what happened.
// Where the two transcripts differ, the fake is wrong.
//
//   kernel-twin describe             prints the machine as JSON
//   kernel-twin real                 plays on /sys; needs root, and a machine that is nobody's
//   kernel-twin fake MACHINE.json    plays on a FakeKernel made from a description
//   kernel-twin list                 prints the names of the scenarios
//
// A transcript has a line `== NAME` for each scenario and its steps below. Lines that begin with `left
// behind` tell what a scenario did not bring back itself, `NOT RESTORED` what could not be brought back at
// all, `BROKEN` that it did not come to its end; exit code 1 if there was any of the three.
#include "sysfs/real_sysfs.h"
#include "twin/scenarios.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

using namespace vfiobind;
using namespace vfiobind::twin;

namespace {

/// Plays one scenario and prints it. False if it left something behind.
bool play(const Play& scenario, Sysfs& sysfs, const Roles& roles) {
    fmt::print("== {}\n", scenario.name);
    Script script(sysfs, roles);
    const auto before = script.state();
    try {
        scenario.run(script);
    } catch (const FakeKernel::Hung& hung) {
        script.say("BROKEN: hangs at " + hung.path);
    } catch (const std::exception& error) {
        script.say(std::string("BROKEN: ") + error.what());
    }
    if (!scenario.wrecks)
        script.restore(before);
    bool clean = true;
    for (const auto& line : script.takeTranscript()) {
        fmt::print("{}\n", line);
        clean = clean && !line.starts_with("left behind") && !line.starts_with("NOT RESTORED") &&
                !line.starts_with("repair") && !line.starts_with("BROKEN");
    }
    std::fflush(stdout);
    return clean;
}

bool playDescription(const Sysfs& sysfs) {
    fmt::print("== the machine, described\n{}\n", describe(sysfs).dump(1));
    return true;
}

int playReal() {
    RealSysfs sysfs;
    const auto roles = rolesOf(describe(sysfs));
    bool clean = playDescription(sysfs);
    for (const auto& scenario : allScenarios())
        clean = play(scenario, sysfs, roles) && clean;
    return clean ? 0 : 1;
}

int playFake(const std::string& file) {
    const auto machine = makeTwin(file);
    const auto roles = rolesOf(describe(machine));
    bool clean = playDescription(machine);
    for (const auto& scenario : allScenarios()) {
        FakeKernel kernel = machine; // one that differs does not make the next ones differ
        clean = play(scenario, kernel, roles) && clean;
    }
    return clean ? 0 : 1;
}

int run(const std::vector<std::string>& words) {
    const auto is = [&](const char* word, std::size_t count) {
        return words.size() == count && words[0] == word;
    };
    if (is("describe", 1)) {
        fmt::print("{}\n", describe(RealSysfs()).dump(1));
        return 0;
    }
    if (is("real", 1))
        return playReal();
    if (is("fake", 2))
        return playFake(words[1]);
    if (is("list", 1)) {
        for (const auto& scenario : allScenarios())
            fmt::print("{}\n", scenario.name);
        return 0;
    }
    fmt::print(stderr, "wanted one of: kernel-twin describe | real | fake MACHINE.json | list\n");
    return 2;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        fmt::print(stderr, "kernel-twin: {}\n", error.what());
        return 2;
    }
}
