// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/ids.h"

#include "pci/text.h"

#include <fmt/format.h>

namespace vfiobind {

namespace {

/// Takes a field's tag and its digits from the beginning of the text.
template <typename T>
bool take(std::string_view& text, std::string_view tag, std::size_t digits, T& value) {
    if (!text.starts_with(tag) || text.size() < tag.size() + digits)
        return false;
    const auto number = parseHex<std::uint32_t>(text.substr(tag.size(), digits), digits, digits);
    if (!number || *number > T(~T{}))
        return false;
    value = static_cast<T>(*number);
    text.remove_prefix(tag.size() + digits);
    return true;
}

} // namespace

std::string Ids::str() const {
    return fmt::format("{:04x}:{:04x}", vendor, device);
}

std::expected<Ids, std::string> Ids::fromModalias(std::string_view modalias) {
    Ids ids;
    std::uint8_t base = 0;
    std::uint8_t sub = 0;
    std::uint8_t interface = 0;
    auto rest = modalias;
    const bool whole = take(rest, "pci:v", 8, ids.vendor) && take(rest, "d", 8, ids.device) &&
                       take(rest, "sv", 8, ids.subsystemVendor) && take(rest, "sd", 8, ids.subsystemDevice) &&
                       take(rest, "bc", 2, base) && take(rest, "sc", 2, sub) &&
                       take(rest, "i", 2, interface) && rest.empty();
    if (!whole)
        return std::unexpected(fmt::format("{} is no PCI modalias: it is written like "
                                           "pci:v000010DEd00001284sv00001458sd000036FFbc03sc00i00",
                                           quote(modalias)));
    ids.classCode = std::uint32_t{base} << 16 | std::uint32_t{sub} << 8 | interface;
    return ids;
}

std::string Ids::modalias() const {
    return fmt::format("pci:v{:08X}d{:08X}sv{:08X}sd{:08X}bc{:02X}sc{:02X}i{:02X}", vendor, device,
                       subsystemVendor, subsystemDevice, classCode >> 16 & 0xff, classCode >> 8 & 0xff,
                       classCode & 0xff);
}

} // namespace vfiobind
