// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/text.h"

#include <fmt/format.h>

#include <cstdint>

namespace vfiobind {

namespace {

constexpr std::size_t longestQuote = 64;

/// How many bytes the UTF-8 sequence at the beginning has; 0 if there is none, or one that a terminal would
/// obey (C1 controls) or that changes the direction of the text around it.
std::size_t printableSequence(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80)
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length)
        return 0;
    std::uint32_t point = first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U)
            return 0;
        point = point << 6 | (byte(i) & 0x3fU);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    const bool control =
        point < 0xa0 || (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    return overlong || surrogate || control || point > 0x10ffff ? 0 : length;
}

std::string escaped(char c) {
    switch (c) {
    case '\n':
        return "\\n";
    case '\t':
        return "\\t";
    case '\r':
        return "\\r";
    default:
        return fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
}

/// Takes the next character of the text.
void appendNext(std::string_view text, std::size_t& at, std::string& out) {
    const std::size_t length = printableSequence(text.substr(at));
    if (length == 0)
        out += escaped(text[at++]);
    out += text.substr(at, length);
    at += length;
}

} // namespace

std::string quote(std::string_view text) {
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size();) {
        if (i >= longestQuote)
            return out + "...\"";
        if (text[i] == '"' || text[i] == '\\')
            out += '\\';
        appendNext(text, i, out);
    }
    return out + '"';
}

std::string printable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();)
        appendNext(text, i, out);
    return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos)
            return parts;
        text.remove_prefix(end + 1);
    }
}

} // namespace vfiobind
