// SPDX-License-Identifier: LGPL-2.1-or-later
#include "verify.h"

#include "config/read_file.h"
#include "json.h"
#include "output.h"
#include "pci/text.h"
#include "text.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <set>

namespace vfiobind::ctl {
namespace {

using nlohmann::ordered_json;

std::vector<std::string> textsOf(const std::vector<ConfigError>& errors) {
    std::vector<std::string> texts;
    for (const auto& error : errors)
        texts.push_back(error.str());
    return texts;
}

/// The errors of each file alone, also of those for other machines.
std::vector<std::string> errorsOfFiles(const ConfigTexts& texts) {
    auto errors = textsOf(texts.errors);
    for (const auto& text : texts.texts)
        if (const auto policy = parsePolicy({text}, {.anyMachine = true}); !policy)
            std::ranges::move(textsOf(policy.error()), std::back_inserter(errors));
    return errors;
}

void addBlockers(MachineVerdict& verdict, unsigned group, const Wanted& wanted) {
    for (const auto& blocker : wanted.blockers)
        verdict.errors.push_back(
            fmt::format("group {} is blocked ({}): {}", group, wanted.by, blocker.str()));
}

/// Of errors that the files have by themselves nothing is said again.
MachineVerdict verifyMachine(const ConfigTexts& texts, const std::set<std::string>& known, std::string name,
                             const MachineDescription& machine) {
    MachineVerdict verdict{.machine = std::move(name), .topology = machine.topology};
    auto policy = parsePolicy(texts.texts, machine.facts);
    if (policy && !verdict.machine.empty())
        if (auto errors = contradictions(*policy, machine.topology); !errors.empty())
            policy = std::unexpected(std::move(errors));
    if (!policy) {
        for (auto& error : textsOf(policy.error()))
            if (!known.contains(error))
                verdict.errors.push_back(std::move(error));
        return verdict;
    }
    verdict.policy = std::move(*policy);
    if (verdict.machine.empty())
        return verdict;
    verdict.resolution = resolve(verdict.policy, machine.topology);
    for (const auto* groups : {&verdict.resolution.groups, &verdict.resolution.asked})
        for (const auto& [group, wanted] : *groups)
            addBlockers(verdict, group, wanted);
    for (const auto& blocker : verdict.resolution.ungrouped)
        verdict.errors.push_back(blocker.str());
    return verdict;
}

std::string devicesOf(const Topology& topology, unsigned group) {
    std::string text;
    for (const auto* device : topology.endpoints(group))
        text += fmt::format("    {} [{}]{}\n", device->address.str(), device->ids.str(),
                            device->driver.empty() ? "" : " " + printable(device->driver));
    return text;
}

std::string bound(const MachineVerdict& verdict, const std::map<unsigned, Wanted>& groups,
                  std::string_view when) {
    std::string text;
    for (const auto& [group, wanted] : groups)
        if (wanted.blockers.empty())
            text += fmt::format("  group {} is bound {} (rule {}, driver {}):\n{}", group, when, wanted.rule,
                                wanted.driver, devicesOf(verdict.topology, group));
    return text;
}

std::string render(const MachineVerdict& verdict) {
    std::string text = verdict.machine.empty() ? "" : verdict.machine + ":\n";
    const auto& resolution = verdict.resolution;
    text += bound(verdict, resolution.groups, "always");
    text += bound(verdict, resolution.asked, "when asked");
    for (const auto* orders : {&resolution.virtualFunctions, &resolution.askedVirtualFunctions})
        for (const auto& [address, order] : *orders)
            text +=
                fmt::format("  {} gets {} virtual functions ({})\n", address.str(), order.count, order.by);
    for (const auto& rule : resolution.waiting)
        text += fmt::format("  rule {} matches no device\n", rule);
    for (const auto& sentence : resolution.moved)
        text += fmt::format("  {}\n", sentence);
    for (const auto& file : verdict.policy.unmatched)
        text += fmt::format("  {} counts as absent: {}\n", file.file, file.why);
    for (const auto& file : verdict.policy.masked)
        text += fmt::format("  {} masks files of its name\n", file);
    if (!verdict.policy.standsBack.empty())
        text += fmt::format("  no rule is in force: the kernel command line says {}\n",
                            verdict.policy.standsBack);
    for (const auto& error : verdict.errors)
        text += fmt::format("  error: {}\n", error);
    if (verdict.machine.empty() && verdict.errors.empty())
        text += fmt::format("{} rules in {} files, no error\n", verdict.policy.rules.size(),
                            verdict.policy.files.size());
    return text;
}

ordered_json groupsOf(const MachineVerdict& verdict) {
    auto list = ordered_json::array();
    const auto add = [&](const std::map<unsigned, Wanted>& groups, std::string_view when) {
        for (const auto& [group, wanted] : groups) {
            auto devices = ordered_json::array();
            for (const auto* device : verdict.topology.endpoints(group))
                devices.push_back(device->address.str());
            auto blockers = ordered_json::array();
            for (const auto& blocker : wanted.blockers)
                blockers.push_back({{"code", blocker.code},
                                    {"device", blocker.device ? blocker.device->str() : ""},
                                    {"sentence", blocker.sentence}});
            list.push_back({{"number", group},
                            {"rule", wanted.rule},
                            {"driver", wanted.driver},
                            {"when", when},
                            {"devices", std::move(devices)},
                            {"blockers", std::move(blockers)}});
        }
    };
    add(verdict.resolution.groups, "always");
    add(verdict.resolution.asked, "asked");
    return list;
}

ordered_json toJson(const MachineVerdict& verdict) {
    auto absent = ordered_json::array();
    for (const auto& file : verdict.policy.unmatched)
        absent.push_back({{"file", file.file}, {"why", file.why}});
    return {{"machine", verdict.machine},       {"errors", verdict.errors},
            {"files", verdict.policy.files},    {"absent", std::move(absent)},
            {"masked", verdict.policy.masked},  {"stands-back", verdict.policy.standsBack},
            {"groups", groupsOf(verdict)},      {"waiting", verdict.resolution.waiting},
            {"moved", verdict.resolution.moved}};
}

std::string whyUnreadable(const std::string& path, int code) {
    return fmt::format("{}: cannot be read: {}", path, std::strerror(code));
}

ConfigTexts namedTexts(const std::vector<std::string>& files) {
    ConfigTexts read;
    for (const auto& file : files) {
        auto content = readWholeFile(file);
        if (content)
            read.texts.push_back({file, std::move(*content)});
        else
            read.errors.push_back(
                {{file, 0, 0}, fmt::format("cannot be read: {}", std::strerror(content.error()))});
    }
    return read;
}

} // namespace

bool Verdict::good() const {
    return errors.empty() &&
           std::ranges::all_of(machines, [](const auto& one) { return one.errors.empty(); });
}

Verdict verify(const ConfigTexts& texts,
               const std::vector<std::pair<std::string, MachineDescription>>& machines) {
    Verdict verdict{.errors = errorsOfFiles(texts), .machines = {}};
    const std::set<std::string> known(verdict.errors.begin(), verdict.errors.end());
    const auto add = [&](const std::string& name, const MachineDescription& machine) {
        verdict.machines.push_back(verifyMachine(texts, known, name, machine));
        verdict.machines.back().policy.masked = texts.masked;
    };
    if (machines.empty())
        add("", {.topology = {}, .facts = texts.facts});
    for (const auto& [name, machine] : machines)
        add(name, machine);
    return verdict;
}

std::string renderVerdict(const Verdict& verdict) {
    std::string text;
    for (const auto& error : verdict.errors)
        text += fmt::format("error: {}\n", error);
    for (const auto& machine : verdict.machines)
        if (!machine.machine.empty() || verdict.errors.empty() || !machine.errors.empty())
            text += render(machine);
    return text;
}

std::string verdictJson(const Verdict& verdict) {
    auto machines = ordered_json::array();
    for (const auto& machine : verdict.machines)
        machines.push_back(toJson(machine));
    return dumpLine(
        {{"good", verdict.good()}, {"errors", verdict.errors}, {"machines", std::move(machines)}});
}

ExitCode runVerify(const Options& options) {
    const auto texts = options.files.empty() ? readConfigTexts(options.root + "/etc/vfio-bind.toml")
                                             : namedTexts(options.files);
    std::vector<std::pair<std::string, MachineDescription>> machines;
    std::vector<std::string> unreadable;
    for (const auto& file : options.machines) {
        const auto content = readWholeFile(file);
        auto machine = content ? readMachine(*content) : std::unexpected(std::string{});
        if (machine)
            machines.emplace_back(file, std::move(*machine));
        else
            unreadable.push_back(content ? fmt::format("{}: {}", file, machine.error())
                                         : whyUnreadable(file, content.error()));
    }
    auto verdict = machines.empty() && !unreadable.empty()
                       ? Verdict{.errors = errorsOfFiles(texts), .machines = {}}
                       : verify(texts, machines);
    std::ranges::move(unreadable, std::back_inserter(verdict.errors));
    if (options.json)
        printLine(verdictJson(verdict));
    else
        print(renderVerdict(verdict));
    return verdict.good() ? ExitCode::done : ExitCode::failed;
}

} // namespace vfiobind::ctl
