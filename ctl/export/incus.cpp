// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

#include <array>
#include <fmt/format.h>
#include <map>

namespace vfiobind::ctl {
namespace {

/// What the device is called in the instance; Incus takes any name that is its only one there.
std::string_view kindOf(const PassedFunction& function) {
    constexpr std::array<std::pair<std::uint8_t, std::string_view>, 4> kinds{
        {{0x01, "disk"}, {0x02, "nic"}, {0x03, "gpu"}, {0x04, "audio"}}};
    for (const auto& [baseClass, kind] : kinds)
        if (function.classId >> 8 == baseClass)
            return kind;
    return "pci";
}

} // namespace

ExportResult exportIncus(const ExportInput& input) {
    Exported result;
    std::map<std::string_view, unsigned> next;
    for (const auto& group : input.groups)
        for (const auto& function : group.functions) {
            const auto kind = kindOf(function);
            result.file += fmt::format("incus config device add VM {}{} pci address={}\n", kind, next[kind]++,
                                       function.address.str());
        }
    for (const auto& variant : withVariantDriver(input.groups))
        result.notes.push_back(variant +
                               ", and Incus gives every device to vfio-pci itself when the VM starts");
    return result;
}

} // namespace vfiobind::ctl
