// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/found.h"

#include "guard/look.h"
#include "modprobe_conf.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sstream>

namespace vfiobind::ctl {

std::string Place::str() const {
    return line == 0 ? file : fmt::format("{}:{}", file, line);
}

std::string Warning::str() const {
    return fmt::format("{}: {}", place.str(), sentence);
}

void warnUnreadable(const SysError& error, Found& found) {
    found.warnings.push_back(
        {{error.path, 0},
         fmt::format("cannot be read: {}{}", error.str(),
                     error.code == EACCES || error.code == EPERM ? "; run it as root" : "")});
}

std::string readSource(const Sysfs& sysfs, const std::string& path, Found& found) {
    const auto content = readIfThere(sysfs, path, 1 << 20);
    if (content)
        return *content;
    warnUnreadable(content.error(), found);
    return {};
}

std::vector<std::string> listSource(const Sysfs& sysfs, const std::string& path, Found& found) {
    auto names = listIfThere(sysfs, path);
    if (names)
        return std::move(*names);
    warnUnreadable(names.error(), found);
    return {};
}

std::vector<TextLine> linesOf(const std::string& path, const std::string& content) {
    std::vector<TextLine> all;
    std::istringstream lines(content);
    unsigned number = 0;
    for (std::string line; std::getline(lines, line);)
        all.push_back({{path, ++number}, std::move(line)});
    return all;
}

bool isVfioModule(std::string_view module) {
    constexpr std::array<std::string_view, 5> names{"vfio", "vfio_pci", "vfio_iommu_type1", "vfio_virqfd",
                                                    "vfio_pci_core"};
    return std::ranges::find(names, underscored(std::string(module))) != names.end();
}

bool isKeptOffByGuides(std::string_view module) {
    constexpr std::array<std::string_view, 11> names{
        "nouveau", "lbm_nouveau", "nvidia", "nvidiafb", "nvidia_drm",   "nvidia_modeset",
        "radeon",  "amdgpu",      "i915",   "xe",       "snd_hda_intel"};
    return std::ranges::find(names, underscored(std::string(module))) != names.end();
}

} // namespace vfiobind::ctl
