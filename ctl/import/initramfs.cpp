// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/module_word.h"
#include "import/shell.h"
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>

namespace vfiobind::ctl {
namespace {

/// Several modules on one line: only the first is loaded, and the others are options to it.
std::string severalModules(const std::string& module, const KernelWord& second,
                           const std::vector<KernelWord>& others) {
    const KernelWord* last = &second;
    std::string options;
    for (const auto& word : others) {
        if (isVfioModule(word.text))
            last = &word;
        else
            options += ' ' + word.text;
    }
    return fmt::format("this line loads {} only, for what stands behind the first name are its options: one "
                       "module a line was meant{}; nothing was given to VFIO by it",
                       module,
                       options.empty() ? "" : fmt::format(", the last one {}", quote(last->text + options)));
}

/// A module a line, its options behind it (initramfs-tools(7)).
void readInitramfsTools(const ImportContext& context, Found& found) {
    const std::string path = "/etc/initramfs-tools/modules";
    for (const auto& line : linesOf(path, readSource(context.sysfs, path, found))) {
        const auto text = trimmed(line.text);
        auto words = kernelWords(text);
        if (words.empty() || !hasParameters(words.front().text))
            continue;
        const auto module = words.front().text;
        words.erase(words.begin());
        if (const auto other =
                std::ranges::find_if(words, [](const auto& w) { return isVfioModule(w.text); });
            other != words.end()) {
            found.warnings.push_back(
                {line.place, severalModules(module, *other, {std::next(other), words.end()})});
            continue;
        }
        const Removable whole{line.place, text, "remove the line, then update-initramfs -u"};
        if (words.empty())
            found.company.push_back(whole);
        else
            readParameters(module, words, {IdsFrom::initramfs, line.place, "initramfs"}, whole, found);
    }
}

struct Listing {
    const char* variable;
    const char* how;
};
constexpr Listing mkinitcpio{"MODULES", "remove the vfio modules, then mkinitcpio -P"};
constexpr std::array<Listing, 2> dracut{{{"add_drivers", "remove the vfio modules, then dracut --force"},
                                         {"force_drivers", "remove the vfio modules, then dracut --force"}}};

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
                found.company.push_back({{path, assignment.line},
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
