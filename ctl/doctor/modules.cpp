// SPDX-License-Identifier: LGPL-2.1-or-later
// Modules, and what else has been set up to hand devices out.
#include "doctor/machine.h"
#include "guard/command_line.h"
#include "guard/look.h"
#include "modules/module_state.h"
#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fnmatch.h>
#include <set>

namespace vfiobind::ctl {
namespace {

/// The modules with a driver for the device, as modules.alias has them; those of VFIO have aliases of their
/// own.
std::set<std::string> nativeModules(const std::string& aliases, const Ids& ids) {
    const auto wanted = ids.modalias();
    std::set<std::string> modules;
    for (const auto line : split(aliases, '\n')) {
        const auto words = split(line, ' ');
        if (words.size() == 3 && words[0] == "alias" && words[1].starts_with("pci:") &&
            fnmatch(std::string(words[1]).c_str(), wanted.c_str(), 0) == 0)
            modules.insert(underscored(std::string(words[2])));
    }
    return modules;
}

/// The daemon's own judgement.
Finding moduleFinding(const Sysfs& sysfs, const std::string& module, bool loaded) {
    if (loaded)
        return {Level::ok, "modules", {}, module + " is loaded", ""};
    const auto verdict = moduleVerdict(sysfs, module);
    const bool good = verdict.loadable() || verdict.state == ModuleState::builtIn;
    return {good ? Level::ok : Level::error, "modules", {}, verdict.sentence, verdict.remedy};
}

Finding leftover(std::string sentence, std::string remedy) {
    return {Level::warning, "leftover", {}, std::move(sentence), std::move(remedy)};
}

void addModprobeLeftovers(Findings& findings, const std::vector<ModprobeLine>& lines) {
    for (const auto& line : lines) {
        // What the daemon writes itself.
        if (!line.understood || line.file.starts_with("/run/modprobe.d/"))
            continue;
        const auto words = kernelWords(line.argument);
        if (line.command == "options" && underscored(line.name) == "vfio_pci" &&
            std::ranges::find(words, "ids", &KernelWord::name) != words.end())
            findings.push_back(leftover(
                fmt::format(
                    "{} has vfio-pci take every device of some ids, also the twin of the one that is meant",
                    line.file),
                "name the devices in /etc/vfio-bind.toml and remove the line"));
        if (line.command == "softdep" && std::ranges::any_of(words, [](const KernelWord& word) {
                return underscored(word.text) == "vfio_pci";
            }))
            findings.push_back(leftover(
                fmt::format("{} has a softdep on vfio-pci, which vfio-bind does not need", line.file),
                "remove the line"));
    }
}

} // namespace

Findings moduleFindings(const Sysfs& sysfs) {
    auto type1 = moduleFinding(sysfs, "vfio_iommu_type1", sysfs.exists("/sys/module/vfio_iommu_type1"));
    if (type1.level == Level::error && hasIommufdWay(sysfs))
        type1.level = Level::note; // it is of the other way
    return {moduleFinding(sysfs, "vfio_pci", sysfs.exists("/sys/bus/pci/drivers/vfio-pci")),
            std::move(type1)};
}

Finding moduleFinding(const Sysfs& sysfs, const std::string& driver) {
    return moduleFinding(sysfs, underscored(driver), false);
}

Findings nativeModuleFindings(const Sysfs& sysfs, const std::vector<const Device*>& devices) {
    const auto release = sysfs.read("/proc/sys/kernel/osrelease", 256).value_or(std::string{});
    constexpr std::size_t enough = 16 << 20;
    const auto aliases = readIfThere(sysfs, "/lib/modules/" + release + "/modules.alias", enough);
    if (!aliases)
        return {{Level::warning,
                 "leftover",
                 {},
                 "whether native drivers are kept off cannot be told: " + aliases.error().str(),
                 ""}};
    auto lines = modprobeLines(sysfs);
    // Distributions keep modules off there that nobody should have.
    std::erase_if(lines, [](const ModprobeLine& line) { return !line.file.starts_with("/etc/"); });
    const auto words = kernelWords(sysfs.read("/proc/cmdline").value_or(std::string{}));
    Findings findings;
    for (const auto* device : devices)
        for (const auto& module : nativeModules(*aliases, device->ids))
            if (const auto found = keptOff(lines, words, module))
                findings.push_back(
                    {Level::note, "leftover", device->address,
                     fmt::format("{} is kept off ({}), which vfio-bind does not need: {} would stay without "
                                 "this driver after a release",
                                 module, found->by, device->address.str()),
                     found->remedy});
    return findings;
}

Findings leftoverFindings(const Sysfs& sysfs) {
    Findings findings;
    const auto line = sysfs.read("/proc/cmdline").value_or(std::string{});
    for (const auto* key : {"vfio-pci.ids", "vfio_pci.ids", "pci-stub.ids", "xen-pciback.hide"})
        if (const auto value = kernelParameter(line, key))
            findings.push_back(leftover(
                fmt::format("the kernel's command line has {}={}, which takes every device of these ids", key,
                            *value),
                "name the devices in /etc/vfio-bind.toml and remove the parameter"));
    addModprobeLeftovers(findings, modprobeLines(sysfs));
    for (const auto& name : listIfThere(sysfs, "/etc/driverctl.d").value_or(std::vector<std::string>{}))
        findings.push_back(
            leftover(fmt::format("driverctl sets an override for {} at each start", name),
                     "driverctl unset-override " + name.substr(name.starts_with("pci-") ? 4 : 0)));
    if (sysfs.exists("/etc/systemd/system/vfio-bind.service"))
        findings.push_back(
            leftover("there is a vfio-bind.service of your own in /etc/systemd/system, which hides the "
                     "package's",
                     "move it aside, then systemctl daemon-reload"));
    return findings;
}

} // namespace vfiobind::ctl
