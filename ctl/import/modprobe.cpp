// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/module_word.h"
#include "import/script.h"
#include "import/sources.h"
#include "modules/modprobe_conf.h"
#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vfiobind::ctl {
namespace {

Place placeOf(const ModprobeLine& line) {
    return {line.file, line.line};
}

Removable removableLine(const ModprobeLine& line) {
    return {placeOf(line), line.str(), "remove the line"};
}

/// `softdep nouveau pre: vfio-pci`
bool isSoftdepOnVfio(const ModprobeLine& line) {
    return line.command == "softdep" &&
           std::ranges::any_of(kernelWords(line.argument),
                               [](const KernelWord& word) { return underscored(word.text) == "vfio_pci"; });
}

/// Whether the line keeps its module from a device.
bool keepsOff(const ModprobeLine& line) {
    if (line.command == "options")
        return has(kernelWords(line.argument), std::string("modeset=0"), &KernelWord::text);
    return line.command == "blacklist" || (line.command == "install" && doesNothing(line)) ||
           (line.command == "alias" && line.argument == "off");
}

void readLine(const ImportContext& context, const ModprobeLine& line, Found& found) {
    const auto module = underscored(line.name);
    if (line.command == "options" && hasParameters(module)) {
        readParameters(line.name, kernelWords(line.argument), {IdsFrom::modprobe, placeOf(line), "modprobe"},
                       removableLine(line), found);
        return;
    }
    if (line.command == "install" && module == "vfio_pci" && !doesNothing(line)) {
        readInstallCommand(context, placeOf(line), line.argument, removableLine(line), found);
        return;
    }
    // Distributions keep drivers off for reasons of their own.
    if (!line.file.starts_with("/etc/"))
        return;
    Removable removable{placeOf(line), line.str(), "remove the line, unless it is there for another reason"};
    if (isSoftdepOnVfio(line))
        found.company.push_back(std::move(removable));
    else if (keepsOff(line))
        found.keptOff.push_back({{module}, std::move(removable), {}});
}

/// systemd-modules-load(8) takes a whole line for a module's name.
void readModulesLoad(const ImportContext& context, const std::string& path, Found& found) {
    for (const auto& line : linesOf(path, readSource(context.sysfs, path, found))) {
        const auto text = trimmed(line.text);
        const auto end = text.find_first_of(" \t");
        const auto module = text.substr(0, end);
        if (!isVfioModule(module))
            continue;
        if (end == std::string::npos) {
            found.company.push_back({line.place, text, "remove the line"});
            continue;
        }
        found.warnings.push_back(
            {line.place,
             fmt::format("a line is a module's name and nothing more (modules-load.d(5)): systemd "
                         "loads nothing by it, and {} had no effect here; where it is meant, name the "
                         "devices in a rule",
                         quote(trimmed(text.substr(end))))});
    }
}

} // namespace

Found importModprobe(const ImportContext& context) {
    Found found;
    std::vector<SysError> errors;
    for (const auto& line : modprobeLines(context.sysfs, &errors))
        // The daemon writes one itself.
        if (line.understood && line.file != "/run/modprobe.d/vfio-bind.conf")
            readLine(context, line, found);
    for (const auto& error : errors)
        warnUnreadable(error, found);
    readModulesLoad(context, "/etc/modules", found);
    for (const auto& name : listSource(context.sysfs, "/etc/modules-load.d", found)) {
        const auto path = "/etc/modules-load.d/" + name;
        const auto link = context.sysfs.link(path).value_or(std::string{});
        // Debian's modules.conf is a link to /etc/modules.
        if (name.ends_with(".conf") && link != "../modules" && link != "/etc/modules")
            readModulesLoad(context, path, found);
    }
    return found;
}

} // namespace vfiobind::ctl
