// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/shell.h"
#include "import/sources.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sstream>

namespace vfiobind::ctl {
namespace {

/// A module a line, its options behind it (initramfs-tools(7)).
void readInitramfsTools(const ImportContext& context, Found& found) {
    const std::string path = "/etc/initramfs-tools/modules";
    for (const auto& line : linesOf(path, readSource(context.sysfs, path, found))) {
        std::istringstream words(line.text.substr(0, line.text.find('#')));
        std::string module;
        if (!(words >> module) || !isVfioModule(module))
            continue;
        bool whole = true;
        for (std::string word; words >> word;)
            whole &= readModuleWord(module, word, line.place, "initramfs", found);
        if (whole)
            found.removable.push_back({line.place, line.text, "take the line out, then update-initramfs -u"});
    }
}

struct Listing {
    const char* variable;
    const char* how;
};
constexpr Listing mkinitcpio{"MODULES", "take the vfio modules out, then mkinitcpio -P"};
constexpr std::array<Listing, 2> dracut{
    {{"add_drivers", "take the vfio modules out, then dracut --force"},
     {"force_drivers", "take the vfio modules out, then dracut --force"}}};

template <typename Listings>
void readShellLists(const ImportContext& context, const std::string& path, const Listings& listings,
                    Found& found) {
    const auto text = readShell(readSource(context.sysfs, path, found));
    if (text.openQuote != 0)
        found.warnings.push_back(
            {{path, text.openQuote}, "the quote or bracket that begins here has no end"});
    for (const auto& assignment : text.assignments)
        for (const Listing& listing : listings) {
            std::vector<std::string> modules;
            std::ranges::copy_if(assignment.words, std::back_inserter(modules), isVfioModule);
            if (assignment.name == listing.variable && !modules.empty())
                found.removable.push_back({{path, assignment.line},
                                           fmt::format("{}: {}", assignment.name, fmt::join(modules, " ")),
                                           listing.how});
        }
}

void readFolder(const ImportContext& context, const std::string& folder, const auto& listings, Found& found) {
    for (const auto& name : listSource(context.sysfs, folder, found))
        if (name.ends_with(".conf"))
            readShellLists(context, folder + '/' + name, listings, found);
}

} // namespace

Found importInitramfs(const ImportContext& context) {
    Found found;
    readInitramfsTools(context, found);
    readShellLists(context, "/etc/dracut.conf", dracut, found);
    readFolder(context, "/etc/dracut.conf.d", dracut, found);
    readShellLists(context, "/etc/mkinitcpio.conf", std::array{mkinitcpio}, found);
    readFolder(context, "/etc/mkinitcpio.conf.d", std::array{mkinitcpio}, found);
    return found;
}

} // namespace vfiobind::ctl
