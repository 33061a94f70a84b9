// SPDX-License-Identifier: LGPL-2.1-or-later
// Modules, and what else has been set up to hand devices out.
#include "doctor/machine.h"
#include "guard/command_line.h"
#include "guard/look.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <sstream>

namespace vfiobind::ctl {
namespace {

std::string underscored(std::string name) {
    std::ranges::replace(name, '-', '_');
    return name;
}

/// The path of a module below /lib/modules/RELEASE, as modules.dep or modules.builtin has it.
std::string modulePath(const std::string& list, const std::string& module) {
    std::istringstream lines(list);
    for (std::string line; std::getline(lines, line);) {
        const auto path = line.substr(0, line.find(':'));
        const auto name = baseName(path);
        if (underscored(std::string(name.substr(0, name.find(".ko")))) == module)
            return path;
    }
    return {};
}

/// The kernel's signature stands at the end of the file (Documentation/admin-guide/module-signing.rst).
bool unsignedModule(const Sysfs& sysfs, const std::string& path) {
    if (!path.ends_with(".ko"))
        return false; // compressed: what is in it is not looked at
    const auto content = sysfs.read(path, 64 << 20);
    return content && !content->ends_with("~Module signature appended~");
}

std::string keptOff(const std::vector<ModprobeLine>& lines, const std::string& module) {
    for (const auto& line : lines) {
        if (line.words.size() >= 2 && line.words[0] == "blacklist" && underscored(line.words[1]) == module)
            return line.file + ": blacklist " + line.words[1];
        if (line.words.size() >= 3 && line.words[0] == "install" && underscored(line.words[1]) == module &&
            (line.words[2].ends_with("/false") || line.words[2].ends_with("/true")))
            return line.file + ": install " + line.words[1] + ' ' + line.words[2];
    }
    return {};
}

class ModuleLook {
public:
    explicit ModuleLook(const Sysfs& sysfs) : sysfs_(sysfs), lines_(modprobeLines(sysfs)) {
        release_ = sysfs.read("/proc/sys/kernel/osrelease", 256).value_or(std::string{});
        const auto folder = "/lib/modules/" + release_ + '/';
        constexpr std::size_t enough = 16 << 20;
        installed_ = sysfs.read(folder + "modules.dep", enough).value_or(std::string{});
        builtIn_ = sysfs.read(folder + "modules.builtin", enough).value_or(std::string{});
    }

    Finding look(const std::string& module, bool loaded) const {
        if (!modulePath(builtIn_, module).empty())
            return {Level::ok, "modules", {}, module + " is built into the kernel", ""};
        if (loaded)
            return {Level::ok, "modules", {}, module + " is loaded", ""};
        const auto path = modulePath(installed_, module);
        if (path.empty())
            return {Level::error,
                    "modules",
                    {},
                    fmt::format("{} is not installed for the kernel {}", module, release_),
                    "install the kernel's modules (Debian's cloud kernels leave it out: linux-image-amd64 "
                    "has it)"};
        if (const auto line = keptOff(lines_, module); !line.empty())
            return {Level::error,
                    "modules",
                    {},
                    fmt::format("{} is kept off ({})", module, line),
                    "take that line out"};
        if (lockdown() && unsignedModule(sysfs_, "/lib/modules/" + release_ + '/' + path))
            return {Level::error,
                    "modules",
                    {},
                    fmt::format("{} is not signed, and the kernel is locked down", module),
                    "sign it (kmodsign), or start without Secure Boot"};
        return {Level::ok, "modules", {}, module + " is installed, and is loaded when it is needed", ""};
    }

private:
    bool lockdown() const {
        const auto mode = sysfs_.read("/sys/kernel/security/lockdown", 256);
        return mode && !mode->contains("[none]");
    }

    const Sysfs& sysfs_;
    std::vector<ModprobeLine> lines_;
    std::string release_;
    std::string installed_;
    std::string builtIn_;
};

Finding leftover(std::string sentence, std::string remedy) {
    return {Level::warning, "leftover", {}, std::move(sentence), std::move(remedy)};
}

void addModprobeLeftovers(Findings& findings, const std::vector<ModprobeLine>& lines) {
    for (const auto& line : lines) {
        const auto& words = line.words;
        // What the daemon writes itself.
        if (words.size() < 3 || line.file.starts_with("/run/modprobe.d/"))
            continue;
        const bool ids =
            words[0] == "options" && underscored(words[1]) == "vfio_pci" &&
            std::ranges::any_of(words, [](const auto& word) { return word.starts_with("ids="); });
        const bool softdep = words[0] == "softdep" && std::ranges::any_of(words, [](const auto& word) {
                                 return underscored(word) == "vfio_pci";
                             });
        if (ids)
            findings.push_back(leftover(
                fmt::format(
                    "{} has vfio-pci take every device of some ids, also the twin of the one that is meant",
                    line.file),
                "name the devices in /etc/vfio-bind.toml and take the line out"));
        if (softdep)
            findings.push_back(
                leftover(fmt::format("{} has a softdep on vfio-pci, which vfio-bind needs not", line.file),
                         "take the line out"));
    }
}

} // namespace

std::vector<ModprobeLine> modprobeLines(const Sysfs& sysfs) {
    std::map<std::string, std::string> files; // by name
    for (const auto* directory :
         {"/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"})
        for (const auto& name : listIfThere(sysfs, directory).value_or(std::vector<std::string>{}))
            if (name.ends_with(".conf"))
                files.emplace(name, std::string(directory) + '/' + name);
    std::vector<ModprobeLine> all;
    for (const auto& [name, path] : files) {
        std::istringstream lines(sysfs.read(path, 1 << 20).value_or(std::string{}));
        for (std::string line; std::getline(lines, line);) {
            ModprobeLine parsed{.file = path};
            std::istringstream words(line.substr(0, line.find('#')));
            for (std::string word; words >> word;)
                parsed.words.push_back(word);
            if (!parsed.words.empty())
                all.push_back(std::move(parsed));
        }
    }
    return all;
}

Findings moduleFindings(const Sysfs& sysfs) {
    const ModuleLook look(sysfs);
    return {look.look("vfio_pci", sysfs.exists("/sys/bus/pci/drivers/vfio-pci")),
            look.look("vfio_iommu_type1", sysfs.exists("/sys/module/vfio_iommu_type1"))};
}

Finding moduleFinding(const Sysfs& sysfs, const std::string& driver) {
    return ModuleLook(sysfs).look(underscored(driver), false);
}

Findings leftoverFindings(const Sysfs& sysfs) {
    Findings findings;
    const auto line = sysfs.read("/proc/cmdline").value_or(std::string{});
    for (const auto* key : {"vfio-pci.ids", "vfio_pci.ids", "pci-stub.ids", "xen-pciback.hide"})
        if (const auto value = kernelParameter(line, key))
            findings.push_back(leftover(
                fmt::format("the kernel's command line has {}={}, which takes every device of these ids", key,
                            *value),
                "name the devices in /etc/vfio-bind.toml and take the parameter out"));
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
