// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/module_aliases.h"

#include "pci/text.h"
#include "sysfs/descriptor.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fnmatch.h>
#include <functional>
#include <limits>
#include <sys/mman.h>
#include <sys/stat.h>

namespace vfiobind {

VariantModules::VariantModules(std::string_view modulesAlias) {
    // A megabyte and a half, with a handful of lines that are of interest.
    constexpr std::string_view wanted = "alias vfio_pci:";
    const std::boyer_moore_horspool_searcher searcher(wanted.begin(), wanted.end());
    const auto next = [&](std::size_t from) {
        const auto found = std::search(modulesAlias.begin() + from, modulesAlias.end(), searcher);
        return static_cast<std::size_t>(found - modulesAlias.begin());
    };
    for (auto at = next(0); at < modulesAlias.size(); at = next(at + wanted.size())) {
        if (at != 0 && modulesAlias[at - 1] != '\n')
            continue;
        const auto words = split(modulesAlias.substr(at, modulesAlias.find('\n', at) - at), ' ');
        if (words.size() == 3 && words[2] != "vfio_pci")
            aliases_.emplace_back(words[1], words[2]);
    }
}

SysResult<VariantModules> VariantModules::ofFile(const std::string& path) {
    const Descriptor file(path, O_RDONLY);
    if (file.get() < 0 && errno == ENOENT)
        return VariantModules("");
    struct stat found{};
    if (file.get() < 0 || fstat(file.get(), &found) != 0)
        return std::unexpected(SysError{"read", path, errno});
    if (found.st_size == 0) // mmap(2) takes it for a mistake
        return VariantModules("");
    const auto size = static_cast<std::size_t>(found.st_size);
    void* text = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (text == MAP_FAILED)
        return std::unexpected(SysError{"mmap", path, errno});
    VariantModules variants({static_cast<const char*>(text), size});
    munmap(text, size);
    return variants;
}

std::string VariantModules::of(const Ids& ids) const {
    const auto wanted = "vfio_" + ids.modalias();
    std::string best = "vfio-pci";
    auto fewest = std::numeric_limits<std::ptrdiff_t>::max();
    for (const auto& [pattern, module] : aliases_) {
        const auto wildcards = std::ranges::count(pattern, '*');
        if (wildcards < fewest && fnmatch(pattern.c_str(), wanted.c_str(), 0) == 0) {
            fewest = wildcards;
            best = module;
        }
    }
    return best;
}

} // namespace vfiobind
