// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/rule_files.h"

#include "rules/udev_rules.h"
#include "sysfs/real_sysfs.h"
#include "sysfs/write_file.h"

#include <cerrno>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vfiobind {
namespace {

constexpr std::string_view groupNodesDirectory = "/run/vfio-bind/groups";
constexpr std::string_view cdevsDirectory = "/run/vfio-bind/devices";
constexpr std::string_view optionsFile = "/run/modprobe.d/vfio-bind.conf";

/// The directories above a file; what cannot be made shows when the file is written.
void makeParents(const std::string& path) {
    for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
        mkdir(path.substr(0, slash).c_str(), 0755);
}

} // namespace

bool RuleFiles::bring(const std::string& path, const std::string& text, RuleFilesChange& change) {
    const auto now = RealSysfs(root_).read(path, 1 << 20);
    const auto whole = root_ + path;
    if (text.empty()) {
        if (unlink(whole.c_str()) == 0)
            return true;
        if (errno != ENOENT)
            change.errors.push_back({"unlink", whole, errno});
        return false;
    }
    // read() keeps the last newline out.
    if (now && *now + '\n' == text)
        return false;
    auto written = writeFileAtomically(whole, text, 0644);
    if (!written && written.error().code == ENOENT) {
        makeParents(whole);
        written = writeFileAtomically(whole, text, 0644);
    }
    if (!written)
        change.errors.push_back(written.error());
    return written.has_value();
}

void RuleFiles::bringAll(std::string_view directory, std::map<std::string, std::string> texts,
                         RuleFilesChange& change) {
    if (const auto names = RealSysfs(root_).list(std::string(directory)))
        for (const auto& name : *names)
            texts.try_emplace(name); // not wanted any more
    for (const auto& [name, text] : texts)
        bring(fmt::format("{}/{}", directory, name), text, change);
}

RuleFilesChange RuleFiles::applyModuleOptions(const std::string& text) {
    RuleFilesChange change;
    bring(std::string(optionsFile), text, change);
    return change;
}

RuleFilesChange RuleFiles::apply(const RuleTexts& texts) {
    auto change = applyModuleOptions(texts.moduleOptions);
    std::map<std::string, std::string> groups;
    for (const auto& [group, text] : texts.nodeImports.groups)
        groups.emplace(std::to_string(group), text);
    bringAll(groupNodesDirectory, std::move(groups), change);
    std::map<std::string, std::string> devices;
    for (const auto& [address, text] : texts.nodeImports.devices)
        devices.emplace(address.str(), text);
    bringAll(cdevsDirectory, std::move(devices), change);
    const auto errors = change.errors.size();
    bring(fmt::format("{}/{}", overridesDirectory, overridesFile), texts.overrides, change);
    change.overridesThere = !texts.overrides.empty() && change.errors.size() == errors;
    change.udevRules = bring(std::string(udevRulesFile), texts.udevRules, change);
    return change;
}

} // namespace vfiobind
