// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/capabilities.h"

namespace vfiobind {
namespace {

constexpr std::size_t standardSize = 256;

unsigned byteAt(std::string_view config, std::size_t at) {
    return at < config.size() ? static_cast<unsigned char>(config[at]) : 0U;
}
unsigned wordAt(std::string_view config, std::size_t at) {
    return byteAt(config, at) | byteAt(config, at + 1) << 8;
}

PortType portType(unsigned type) {
    switch (type) {
    case 0x0: // PCI Express endpoint
    case 0x1: // legacy endpoint
    case 0x9: // integrated in the root complex
        return PortType::endpoint;
    case 0x4:
        return PortType::rootPort;
    case 0x5:
        return PortType::upstream;
    case 0x6:
        return PortType::downstream;
    case 0x7:
        return PortType::toConventional;
    default:
        return PortType::other;
    }
}

void readExtended(std::string_view config, Capabilities& found) {
    constexpr unsigned acsId = 0x000d;
    constexpr std::size_t acsControl = 6;
    std::size_t at = standardSize;
    // A list cannot have more entries than there is room for; a broken one may go in circles.
    for (std::size_t left = (config.size() - standardSize) / 4; at >= standardSize && left > 0; --left) {
        const auto id = wordAt(config, at);
        if (id == 0 || id == 0xffff)
            return;
        if (id == acsId)
            found.acs = static_cast<std::uint16_t>(wordAt(config, at + acsControl));
        at = wordAt(config, at + 2) >> 4 & 0xffcU;
    }
}

} // namespace

bool Capabilities::isolates() const {
    constexpr unsigned wanted = 0x01 | 0x04 | 0x08 | 0x10; // PCI_ACS_SV, RR, CR, UF
    return acs && (*acs & wanted) == wanted;
}

std::optional<Capabilities> readCapabilities(std::string_view config) {
    constexpr unsigned hasList = 0x10; // PCI_STATUS_CAP_LIST
    constexpr std::uint8_t express = 0x10;
    if (config.size() < standardSize)
        return std::nullopt;
    Capabilities found;
    if ((wordAt(config, 0x06) & hasList) != 0) {
        std::size_t at = byteAt(config, 0x34) & 0xfcU;
        for (int left = 48; at >= 0x40 && left > 0; --left) { // PCI_FIND_CAP_TTL
            const auto id = static_cast<std::uint8_t>(byteAt(config, at));
            if (id == 0xff)
                break;
            found.ids.insert(id);
            if (id == express)
                found.port = portType(wordAt(config, at + 2) >> 4 & 0xf);
            at = byteAt(config, at + 1) & 0xfcU;
        }
    }
    found.extendedRead = config.size() > standardSize;
    if (found.extendedRead)
        readExtended(config, found);
    return found;
}

} // namespace vfiobind
