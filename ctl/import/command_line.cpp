// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/boot_config.h"
#include "import/module_word.h"
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

template <std::size_t count>
bool isOneOf(std::string_view name, const std::array<std::string_view, count>& names) {
    return has(names, name);
}

/// `rd.driver.pre=vfio-pci` and the like.
bool loadsVfio(const KernelWord& word) {
    constexpr std::array<std::string_view, 3> keys{"rd.driver.pre", "modules-load", "rd.modules-load"};
    return word.value && isOneOf(word.name, keys) &&
           std::ranges::all_of(split(*word.value, ','), isVfioModule);
}

bool keepsOff(const KernelWord& word) {
    constexpr std::array<std::string_view, 4> keys{"rd.driver.blacklist", "modprobe.blacklist",
                                                   "module_blacklist", "rdblacklist"};
    return word.value && isOneOf(word.name, keys);
}

KeptOffLine keptOffBy(const ImportContext& context, const Place& place, const KernelWord& word) {
    KeptOffLine line{
        .modules = {}, .whole = {place, word.text, howToTakeOut(context.sysfs, word)}, .howForSome = {}};
    for (const auto name : split(*word.value, ','))
        if (!name.empty())
            line.modules.push_back(underscored(std::string(name)));
    line.howForSome = howToTakeOut(context.sysfs, word, "this name");
    return line;
}

void warnOfTypo(const Place& place, const KernelWord& word, Found& found) {
    found.warnings.push_back(
        {place, fmt::format("no part of the kernel knows {}: vfio-pci.ids={} was meant, and "
                            "nothing was given to VFIO by it",
                            quote(word.text), printable(word.value.value_or("")))});
}

} // namespace

Found importCommandLine(const ImportContext& context) {
    Found found;
    const std::string path = "/proc/cmdline";
    const Place place{path, 1};
    for (const auto& word : kernelWords(readSource(context.sysfs, path, found))) {
        const auto parameter = moduleParameter(word);
        if (isMisspeltIds(word.name))
            warnOfTypo(place, word, found);
        else if (loadsVfio(word))
            found.company.push_back({place, word.text, howToTakeOut(context.sysfs, word)});
        else if (keepsOff(word))
            found.keptOff.push_back(keptOffBy(context, place, word));
        else if (parameter && hasParameters(parameter->module))
            readParameters(parameter->module,
                           {{.text = word.text, .name = parameter->parameter, .value = word.value}},
                           {IdsFrom::commandLine, place, "cmdline"},
                           {place, word.text, howToTakeOut(context.sysfs, word)}, found);
    }
    return found;
}

} // namespace vfiobind::ctl
