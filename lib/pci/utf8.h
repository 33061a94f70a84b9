// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string_view>

namespace vfiobind {

/// One character of a UTF-8 text.
struct Character {
    std::string_view bytes;
    char32_t code = 0;
    bool valid = false; ///< else `bytes` is a single byte that is not UTF-8
};

/// The character at the beginning of a text that is not empty (RFC 3629).
Character firstCharacter(std::string_view text);

/// Whether a terminal only shows it: false for bytes that are not UTF-8, for what a terminal obeys (C0 and C1
/// controls), and for what changes the direction of the text around it.
bool isPrintable(const Character& character);

} // namespace vfiobind
