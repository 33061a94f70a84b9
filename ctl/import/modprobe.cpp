// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/sources.h"
#include "modprobe_conf.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vfiobind::ctl {
namespace {

void readOptions(const ModprobeLine& line, Found& found) {
    const Place place{line.file, line.line};
    bool whole = true;
    for (std::size_t i = 2; i < line.words.size(); ++i)
        whole &= readModuleWord(line.words[1], line.words[i], place, "modprobe", found);
    if (whole)
        found.removable.push_back(
            {place, fmt::format("{}", fmt::join(line.words, " ")), "take the line out"});
}

/// Of what guides have their readers write besides: nothing of it is needed.
bool isCompany(const std::vector<std::string>& words) {
    if (words[0] == "softdep")
        return std::ranges::any_of(words, [](const auto& word) { return underscored(word) == "vfio_pci"; });
    const bool off = words[0] == "blacklist" ||
                     (words.size() > 2 && words[0] == "alias" && words[2] == "off") ||
                     (words[0] == "options" && std::ranges::find(words, "modeset=0") != words.end());
    return off && isKeptOffByGuides(words[1]);
}

void readModulesLoad(const ImportContext& context, const std::string& path, Found& found) {
    for (const auto& line : linesOf(path, readSource(context.sysfs, path, found))) {
        const auto module = line.text.substr(0, line.text.find_first_of(" \t"));
        if (isVfioModule(module))
            found.removable.push_back({line.place, line.text, "take the line out"});
    }
}

} // namespace

Found importModprobe(const ImportContext& context) {
    Found found;
    std::vector<SysError> errors;
    for (const auto& line : modprobeLines(context.sysfs, &errors)) {
        const auto& words = line.words;
        // What the daemon writes itself.
        if (words.size() < 2 || line.file == "/run/modprobe.d/vfio-bind.conf")
            continue;
        if (words[0] == "options" && isVfioModule(words[1]))
            readOptions(line, found);
        // Distributions keep drivers off for reasons of their own.
        else if (line.file.starts_with("/etc/") && isCompany(words))
            found.removable.push_back({{line.file, line.line},
                                       fmt::format("{}", fmt::join(words, " ")),
                                       "take the line out, unless it is there for another reason"});
    }
    for (const auto& error : errors)
        warnUnreadable(error, found);
    readModulesLoad(context, "/etc/modules", found);
    for (const auto& name : listSource(context.sysfs, "/etc/modules-load.d", found))
        // modules.conf is a link to /etc/modules on Debian.
        if (name.ends_with(".conf") && !context.sysfs.link("/etc/modules-load.d/" + name))
            readModulesLoad(context, "/etc/modules-load.d/" + name, found);
    return found;
}

} // namespace vfiobind::ctl
