// SPDX-License-Identifier: LGPL-2.1-or-later
/// Helpers of the parsers: what a message may quote, and digits of a fixed number.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// The text in double quotes, safe for one line of a log and for a D-Bus string: control characters and bytes
/// that are not UTF-8 as `\n`, `\x00`; quotes and backslashes escaped; what is longer than 64 bytes cut off
/// with `...`.
std::string quote(std::string_view text);

/// The same escapes without the quotes and whole: for a text that is a sentence already, but has parts of a
/// file in it.
std::string printable(std::string_view text);

/// The parts between the separators; one more than there are separators.
std::vector<std::string_view> split(std::string_view text, char separator);

/// The hexadecimal digits' value; nothing unless there are `least` to `most` of them and nothing else.
template <std::unsigned_integral T>
std::optional<T> parseHex(std::string_view text, std::size_t least, std::size_t most) {
    static_assert(sizeof(T) <= sizeof(unsigned long long));
    if (text.size() < least || text.size() > most || most > 2 * sizeof(T))
        return std::nullopt;
    T value = 0;
    for (const char c : text) {
        int digit = 0;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return std::nullopt;
        value = static_cast<T>(value << 4 | static_cast<T>(digit));
    }
    return value;
}

} // namespace vfiobind
