// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/utf8.h"

#include <array>

namespace vfiobind {

Character firstCharacter(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const Character invalid{text.substr(0, 1), lead, false};
    if (lead < 0x80)
        return {text.substr(0, 1), lead, true};
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() < length)
        return invalid;
    char32_t code = lead & (0x7fU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xc0) != 0x80)
            return invalid;
        code = code << 6 | (byte & 0x3fU);
    }
    static constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return invalid;
    return {text.substr(0, length), code, true};
}

bool isPrintable(const Character& character) {
    const char32_t code = character.code;
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    // Bidirectional overrides and isolates would reorder what stands after them on the line.
    const bool reorders = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return character.valid && !control && !reorders;
}

} // namespace vfiobind
