// SPDX-License-Identifier: LGPL-2.1-or-later
// Modules, and what else has been set up to hand devices out.
#include "doctor/machine.h"
#include "guard/command_line.h"
#include "guard/look.h"
#include "modprobe_conf.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fnmatch.h>
#include <set>
#include <sstream>

namespace vfiobind::ctl {
namespace {

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

/// Whether a list `key=a,b` names the module; the parameter may stand there more than once.
bool listsModule(const std::string& commandLine, std::string_view key, const std::string& module) {
    std::istringstream words(commandLine);
    for (std::string word; words >> word;)
        if (word.starts_with(key))
            for (const auto name : split(std::string_view(word).substr(key.size()), ','))
                if (underscored(std::string(name)) == module)
                    return true;
    return false;
}

struct KeptOff {
    std::string by; ///< empty: nothing keeps the module off
    std::string remedy;
};

/// modprobe.d(5), modprobe(8), and Documentation/admin-guide/kernel-parameters.txt.
KeptOff keptOff(const std::vector<ModprobeLine>& lines, const std::string& commandLine,
                const std::string& module) {
    for (const auto& line : lines) {
        const bool ours = line.words.size() >= 2 && underscored(line.words[1]) == module;
        if (ours && line.words[0] == "blacklist")
            return {line.file + ": blacklist " + line.words[1], "take that line out"};
        if (ours && line.words[0] == "install" && line.words.size() >= 3 &&
            (line.words[2].ends_with("/false") || line.words[2].ends_with("/true")))
            return {line.file + ": install " + line.words[1] + ' ' + line.words[2], "take that line out"};
    }
    for (const std::string key : {"modprobe.blacklist=", "module_blacklist="})
        if (listsModule(commandLine, key, module))
            return {key + " of the kernel's command line", "take it out of that parameter"};
    return {};
}

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

class ModuleLook {
public:
    explicit ModuleLook(const Sysfs& sysfs) : sysfs_(sysfs), lines_(modprobeLines(sysfs)) {
        commandLine_ = sysfs.read("/proc/cmdline").value_or(std::string{});
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
        if (const auto found = keptOff(lines_, commandLine_, module); !found.by.empty())
            return {Level::error,
                    "modules",
                    {},
                    fmt::format("{} is kept off ({})", module, found.by),
                    found.remedy};
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
    std::string commandLine_;
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

Findings moduleFindings(const Sysfs& sysfs) {
    const ModuleLook look(sysfs);
    return {look.look("vfio_pci", sysfs.exists("/sys/bus/pci/drivers/vfio-pci")),
            look.look("vfio_iommu_type1", sysfs.exists("/sys/module/vfio_iommu_type1"))};
}

Finding moduleFinding(const Sysfs& sysfs, const std::string& driver) {
    return ModuleLook(sysfs).look(underscored(driver), false);
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
    const auto commandLine = sysfs.read("/proc/cmdline").value_or(std::string{});
    Findings findings;
    for (const auto* device : devices)
        for (const auto& module : nativeModules(*aliases, device->ids))
            if (const auto found = keptOff(lines, commandLine, module); !found.by.empty())
                findings.push_back(
                    {Level::note, "leftover", device->address,
                     fmt::format("{} is kept off ({}), which vfio-bind needs not: {} would stay without "
                                 "this driver after a release",
                                 module, found.by, device->address.str()),
                     found.remedy});
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
