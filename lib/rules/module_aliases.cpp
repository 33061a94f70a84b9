// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/module_aliases.h"

#include "pci/text.h"

#include <algorithm>
#include <fnmatch.h>
#include <limits>

namespace vfiobind {

std::string variantModule(std::string_view modulesAlias, const Ids& ids) {
    const auto wanted = "vfio_" + ids.modalias();
    std::string best = "vfio-pci";
    auto fewest = std::numeric_limits<std::ptrdiff_t>::max();
    for (const auto line : split(modulesAlias, '\n')) {
        const auto words = split(line, ' ');
        if (words.size() != 3 || words[0] != "alias" || !words[1].starts_with("vfio_pci:") ||
            words[2] == "vfio_pci")
            continue;
        const std::string pattern(words[1]);
        const auto wildcards = std::ranges::count(pattern, '*');
        if (wildcards < fewest && fnmatch(pattern.c_str(), wanted.c_str(), 0) == 0) {
            fewest = wildcards;
            best = words[2];
        }
    }
    return best;
}

} // namespace vfiobind
