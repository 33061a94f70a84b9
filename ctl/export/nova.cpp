// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

#include <cctype>
#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

/// As os_resource_classes spells them: capitals, digits and `_`, with CUSTOM_ for what is nobody's standard.
std::string resourceClass(const PassedGroup& group, std::size_t index) {
    std::string name = "CUSTOM_";
    for (const char c : ruleOrGroup(group))
        name += std::isalnum(static_cast<unsigned char>(c)) != 0
                    ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                    : '_';
    // Whoever asks for a graphics card is not to be given the audio function of one.
    return index == 0 ? name : fmt::format("{}_PART{}", name, index + 1);
}

std::string deviceSpec(const PassedGroup& group, std::size_t index) {
    const auto& function = group.functions[index];
    return fmt::format(R"(device_spec = {{"address": "{}", "vendor_id": "{:04x}", "product_id": "{:04x}", )"
                       R"("resource_class": "{}", "managed": "no"}})"
                       "\n",
                       function.address.str(), function.vendor, function.device, resourceClass(group, index));
}

} // namespace

ExportResult exportNova(const ExportInput& input) {
    constexpr unsigned highestDomain = 0xffff;
    Exported result;
    result.file = "[pci]\n";
    for (const auto& group : input.groups)
        for (std::size_t index = 0; index < group.functions.size(); ++index) {
            const auto& address = group.functions[index].address;
            if (address.domain > highestDomain)
                return std::unexpected(
                    fmt::format("the domain of {} has more than four digits, and Nova takes no such address",
                                address.str()));
            result.file += deviceSpec(group, index);
        }
    result.notes.emplace_back("releases of Nova that do not know \"managed\" let libvirt give the devices to "
                              "their native drivers when a VM ends");
    for (const auto& variant : withVariantDriver(input.groups))
        result.notes.push_back(
            variant + ": releases of libvirt that know only vfio-pci refuse it with \"managed\": \"no\"");
    return result;
}

} // namespace vfiobind::ctl
