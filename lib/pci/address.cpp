// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/address.h"

#include "pci/text.h"

#include <fmt/format.h>

namespace vfiobind {

namespace {

std::unexpected<std::string> noAddress(std::string_view text, std::string_view why) {
    return std::unexpected(fmt::format("{} is no PCI address: {}", quote(text), why));
}

} // namespace

std::string Address::str() const {
    return fmt::format("{:04x}:{:02x}:{:02x}.{:d}", domain, bus, device, function);
}

std::string Address::objectName() const {
    return fmt::format("{:04x}_{:02x}_{:02x}_{:d}", domain, bus, device, function);
}

std::expected<Address, std::string> Address::parse(std::string_view text) {
    constexpr std::string_view shape = "write [domain:]bus:device.function, as in 0000:01:00.0";
    const auto dotted = split(text, '.');
    if (dotted.size() != 2)
        return noAddress(text, shape);
    auto parts = split(dotted[0], ':');
    if (parts.size() == 2)
        parts.insert(parts.begin(), "0");
    if (parts.size() != 3)
        return noAddress(text, shape);

    const auto domain = parseHex<std::uint32_t>(parts[0], 1, 8);
    if (!domain)
        return noAddress(text, "the domain is one to eight hexadecimal digits, as in 0000:01:00.0");
    const auto bus = parseHex<std::uint8_t>(parts[1], 1, 2);
    if (!bus)
        return noAddress(text, "the bus is two hexadecimal digits, as in 0000:01:00.0");
    const auto device = parseHex<std::uint8_t>(parts[2], 1, 2);
    if (!device || *device > 0x1f)
        return noAddress(text, "the device, before the dot, is two hexadecimal digits from 00 to 1f");
    const auto function = parseHex<std::uint8_t>(dotted[1], 1, 1);
    if (!function || *function > 7)
        return noAddress(text, "the function, after the dot, is one digit from 0 to 7");
    return Address{*domain, *bus, *device, *function};
}

} // namespace vfiobind
