// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pci/text.h"

#include "pci/utf8.h"

#include <fmt/format.h>

namespace vfiobind {

namespace {

constexpr std::size_t longestQuote = 64;

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
    const Character next = firstCharacter(text.substr(at));
    at += next.bytes.size();
    if (isPrintable(next)) {
        out += next.bytes;
        return;
    }
    for (const char byte : next.bytes)
        out += escaped(byte);
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
