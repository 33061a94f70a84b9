// SPDX-License-Identifier: LGPL-2.1-or-later
#include "modules/module_state.h"

#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind {
namespace {

constexpr std::size_t largestList = 16 << 20;
constexpr std::size_t largestModule = 64 << 20;

/// The path of a module below /lib/modules/RELEASE, as modules.dep or modules.builtin has it.
std::string modulePath(const std::string& list, const std::string& module) {
    for (const auto line : split(list, '\n')) {
        const auto path = line.substr(0, line.find(':'));
        const auto name = baseName(path);
        if (underscored(std::string(name.substr(0, name.find(".ko")))) == module)
            return std::string(path);
    }
    return {};
}

/// The kernel's signature stands at the end of the file (Documentation/admin-guide/module-signing.rst).
bool unsignedModule(const Sysfs& sysfs, const std::string& path) {
    if (!path.ends_with(".ko"))
        return false; // compressed: what is in it is not looked at
    const auto content = sysfs.read(path, largestModule);
    return content && !content->ends_with("~Module signature appended~");
}

bool lockedDown(const Sysfs& sysfs) {
    const auto mode = sysfs.read("/sys/kernel/security/lockdown", 256);
    return mode && !mode->contains("[none]");
}

bool isModuleName(const std::string& name) {
    constexpr std::size_t longestModuleName = 55; // MODULE_NAME_LEN without its end
    return !name.empty() && name.size() <= longestModuleName && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

ModuleVerdict verdictOfInstalled(const Sysfs& sysfs, const std::string& module, const std::string& path) {
    const auto lines = modprobeLines(sysfs);
    if (const auto* line = installLine(lines, module); line != nullptr)
        return {ModuleState::replaced,
                fmt::format("{} is kept off ({}: {})", module, line->place(), printable(line->str())),
                "take that line out"};
    const auto words = kernelWords(sysfs.read("/proc/cmdline").value_or(std::string{}));
    if (const auto off = keptOff(lines, words, module))
        return {ModuleState::keptOff, fmt::format("{} is kept off ({})", module, off->by), off->remedy};
    if (lockedDown(sysfs) && unsignedModule(sysfs, path))
        return {ModuleState::notSigned,
                fmt::format("{} is not signed, and the kernel is locked down", module),
                "sign it (kmodsign), or start without Secure Boot"};
    return {ModuleState::installed, fmt::format("{} is installed, and is loaded when it is needed", module),
            ""};
}

} // namespace

ModuleVerdict moduleVerdict(const Sysfs& sysfs, const std::string& name) {
    const auto module = underscored(name);
    if (!isModuleName(module))
        return {ModuleState::noName, fmt::format("{} is no module's name", quote(name)),
                "name another driver"};
    const auto release = sysfs.read("/proc/sys/kernel/osrelease", 256).value_or(std::string{});
    const auto folder = "/lib/modules/" + release + '/';
    const auto list = [&](const char* file) {
        return sysfs.read(folder + file, largestList).value_or(std::string{});
    };
    if (!modulePath(list("modules.builtin"), module).empty())
        return {ModuleState::builtIn, fmt::format("{} is built into the kernel", module), ""};
    const auto path = modulePath(list("modules.dep"), module);
    if (path.empty())
        return {ModuleState::absent, fmt::format("{} is not installed for the kernel {}", module, release),
                "install the package that has it (Debian's cloud kernels leave VFIO out: linux-image-amd64 "
                "has it), or name another driver"};
    return verdictOfInstalled(sysfs, module, folder + path);
}

std::optional<KeptOff> keptOff(const std::vector<ModprobeLine>& lines, const std::vector<KernelWord>& words,
                               const std::string& module) {
    if (const auto* line = blacklistLine(lines, module); line != nullptr)
        return KeptOff{line->place() + ": blacklist " + printable(line->name), "take that line out"};
    if (const auto* line = installLine(lines, module); line != nullptr && doesNothing(*line))
        return KeptOff{line->place() + ": " + printable(line->str()), "take that line out"};
    for (const std::string key : {"modprobe.blacklist", "module_blacklist"})
        if (listsModule(words, key, module))
            return KeptOff{key + "= of the kernel's command line", "take it out of that parameter"};
    return std::nullopt;
}

} // namespace vfiobind
