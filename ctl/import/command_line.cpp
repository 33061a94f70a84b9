// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sstream>

namespace vfiobind::ctl {
namespace {

constexpr std::array<std::string_view, 6> configured{"/etc/default/grub",          "/etc/kernel/cmdline",
                                                     "/etc/sysconfig/grub",        "/boot/loader/loader.conf",
                                                     "/boot/firmware/cmdline.txt", "/boot/cmdline.txt"};

/// Where the boot loader has the word from, as far as that can be found.
std::string howToTakeOut(const ImportContext& context, const std::string& word) {
    for (const auto path : configured) {
        const auto content = context.sysfs.read(std::string(path), 1 << 20);
        if (!content)
            continue; // a hint only
        for (const auto& line : linesOf(std::string(path), *content))
            if (!line.text.starts_with('#') && line.text.contains(word))
                return fmt::format("take it out of {}{}", line.place.str(),
                                   path.ends_with("grub") ? ", then update-grub (or grub2-mkconfig)" : "");
    }
    return "take it out of the boot loader's configuration";
}

bool namesOnly(std::string_view list, bool (*known)(std::string_view)) {
    return std::ranges::all_of(split(list, ','), known);
}

/// `rd.driver.pre=vfio-pci` and the like.
bool isCompany(std::string_view word) {
    for (const std::string_view key : {"rd.driver.pre=", "modules-load=", "rd.modules-load="})
        if (word.starts_with(key))
            return namesOnly(word.substr(key.size()), isVfioModule);
    for (const std::string_view key :
         {"rd.driver.blacklist=", "modprobe.blacklist=", "module_blacklist=", "rdblacklist="})
        if (word.starts_with(key))
            return namesOnly(word.substr(key.size()), isKeptOffByGuides);
    return false;
}

} // namespace

Found importCommandLine(const ImportContext& context) {
    Found found;
    const std::string path = "/proc/cmdline";
    const Place place{path, 1};
    std::istringstream words(readSource(context.sysfs, path, found));
    for (std::string word; words >> word;) {
        bool understood = isCompany(word);
        const auto dot = word.find('.');
        const auto module = word.substr(0, dot);
        if (dot != std::string::npos && isVfioModule(module))
            understood = readModuleWord(module, word.substr(dot + 1), place, "cmdline", found);
        if (understood)
            found.removable.push_back({place, word, howToTakeOut(context, word)});
    }
    return found;
}

} // namespace vfiobind::ctl
