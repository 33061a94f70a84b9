// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/module_options.h"

#include "modules/kernel_words.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace vfiobind {
namespace {

constexpr std::array<ModuleOption, 3> knownOptions{
    {{"vfio-pci", "disable_vga", "disable-vga", &ModuleOptions::disableVga},
     {"vfio-pci", "disable_idle_d3", "disable-idle-d3", &ModuleOptions::disableIdleD3},
     {"vfio_iommu_type1", "allow_unsafe_interrupts", "allow-unsafe-interrupts",
      &ModuleOptions::allowUnsafeInterrupts}}};

} // namespace

const ModuleOption* findModuleOption(std::string_view module, std::string_view parameter) {
    const auto found = std::ranges::find_if(knownOptions, [&](const ModuleOption& option) {
        return underscored(option.module) == underscored(std::string(module)) &&
               option.parameter == parameter;
    });
    return found == knownOptions.end() ? nullptr : &*found;
}

std::string moduleOptionLines(const ModuleOptions& options) {
    std::string text;
    for (const auto& option : knownOptions)
        if (const auto& value = options.*option.value)
            text += fmt::format("options {} {}={}\n", option.module, option.parameter, *value ? 'Y' : 'N');
    return text.empty() ? text : "# Written by vfio-bind from its configuration; changes are lost.\n" + text;
}

std::vector<std::string> otherOptionsInForce(const Sysfs& sysfs, const ModuleOptions& options) {
    std::vector<std::string> sentences;
    for (const auto& option : knownOptions) {
        const auto& wanted = options.*option.value;
        const auto file =
            fmt::format("/sys/module/{}/parameters/{}", underscored(option.module), option.parameter);
        const auto now = sysfs.read(file, 8);
        if (wanted && now && (*now == "Y") != *wanted)
            sentences.push_back(fmt::format(
                "[vfio-pci] says {} = {}, but module {} is loaded with {}={}; it takes effect when the "
                "module is loaded anew, at the latest with the next boot",
                option.key, *wanted, option.module, option.parameter, *now));
    }
    return sentences;
}

} // namespace vfiobind
