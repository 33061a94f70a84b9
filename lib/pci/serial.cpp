// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/serial.h"

#include "pci/text.h"

#include <cstdint>
#include <fmt/format.h>

namespace vfiobind {
namespace {

constexpr std::size_t serialBytes = 8;
constexpr std::size_t extendedBegin = 256;
constexpr std::uint32_t serialCapability = 0x0003;

std::uint32_t dwordAt(std::string_view config, std::size_t offset) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;)
        value = value << 8 | static_cast<std::uint8_t>(config[offset + i]);
    return value;
}

/// The most significant byte first, as the kernel prints it (`%8phD` of the big-endian number).
std::string serialText(std::uint32_t upper, std::uint32_t lower) {
    std::string text;
    for (const auto half : {upper, lower})
        for (int shift = 24; shift >= 0; shift -= 8)
            text += fmt::format("{}{:02x}", text.empty() ? "" : "-", half >> shift & 0xff);
    return text;
}

} // namespace

std::expected<std::string, std::string> parseSerial(std::string_view text) {
    const auto bytes = split(text, '-');
    std::string serial;
    for (const auto byte : bytes) {
        const auto value = parseHex<std::uint8_t>(byte, 2, 2);
        if (!value || bytes.size() != serialBytes)
            return std::unexpected(
                fmt::format("{} is no serial number: write eight pairs of hexadecimal digits "
                            "with - between them, as in 00-11-22-ff-fe-33-44-55",
                            quote(text)));
        serial += fmt::format("{}{:02x}", serial.empty() ? "" : "-", *value);
    }
    return serial;
}

std::optional<std::string> serialFromConfig(std::string_view config) {
    // Each capability takes two double words at least: more of them than fit are a loop.
    std::size_t left = config.size() / 8;
    for (std::size_t at = extendedBegin;
         at >= extendedBegin && at % 4 == 0 && at + 4 <= config.size() && left > 0; --left) {
        const auto header = dwordAt(config, at);
        if (header == 0 || header == 0xffffffff)
            return std::nullopt;
        if ((header & 0xffff) == serialCapability) {
            if (at + 12 > config.size())
                return std::nullopt;
            const auto lower = dwordAt(config, at + 4);
            const auto upper = dwordAt(config, at + 8);
            return lower == 0 && upper == 0 ? std::nullopt : std::optional(serialText(upper, lower));
        }
        at = header >> 20;
    }
    return std::nullopt;
}

} // namespace vfiobind
