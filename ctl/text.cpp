// SPDX-License-Identifier: LGPL-2.1-or-later
#include "text.h"

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <fmt/format.h>
#include <langinfo.h>
#include <locale.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace vfiobind::ctl {

namespace {

/// One character of a UTF-8 text.
struct Character {
    std::string_view bytes;
    char32_t code = 0;
    bool valid = false; ///< else `bytes` is a single byte that is not UTF-8
};

/// The character at the beginning of a text that is not empty (RFC 3629).
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

/// A locale in which wcwidth(3) knows all of Unicode, whatever the user's is.
locale_t unicodeLocale() {
    static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", static_cast<locale_t>(nullptr));
    return locale;
}

unsigned characterWidth(const Character& character) {
    if (!character.valid)
        return 1;
    if (character.code < 0x7f)
        return 1;
    const locale_t locale = unicodeLocale();
    if (locale == static_cast<locale_t>(nullptr))
        return 1;
    const locale_t before = uselocale(locale);
    const int width = wcwidth(static_cast<wchar_t>(character.code));
    uselocale(before);
    return width < 0 ? 1 : static_cast<unsigned>(width);
}

bool isControl(char32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/// Bidirectional overrides and isolates: they would reorder what stands after them on the line.
bool isReordering(char32_t code) {
    return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x2028 ||
           code == 0x2029;
}

const char* colourCode(Colour colour) {
    switch (colour) {
    case Colour::green:
        return "32";
    case Colour::yellow:
        return "33";
    case Colour::red:
        return "31";
    case Colour::bold:
        return "1";
    case Colour::faint:
        return "2";
    case Colour::none:
        break;
    }
    return "";
}

unsigned terminalColumns() {
    if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
        const unsigned long value = std::strtoul(columns, nullptr, 10);
        if (value > 0 && value <= 10000)
            return static_cast<unsigned>(value);
    }
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

} // namespace

std::string Style::paint(Colour which, std::string_view text) const {
    if (!colour || which == Colour::none || text.empty())
        return std::string(text);
    return fmt::format("\033[{}m{}\033[0m", colourCode(which), text);
}

Style Style::forStdout() {
    Style style;
    const char* const noColour = std::getenv("NO_COLOR");
    const char* const term = std::getenv("TERM");
    const bool dumb = term == nullptr || std::strcmp(term, "dumb") == 0;
    style.colour = isatty(STDOUT_FILENO) == 1 && !dumb && (noColour == nullptr || *noColour == '\0');
    style.unicode = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    style.columns = terminalColumns();
    return style;
}

unsigned displayWidth(std::string_view text) {
    unsigned width = 0;
    while (!text.empty()) {
        const Character character = firstCharacter(text);
        width += characterWidth(character);
        text.remove_prefix(character.bytes.size());
    }
    return width;
}

std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const Character character = firstCharacter(text);
        if (character.valid && !isControl(character.code) && !isReordering(character.code))
            result += character.bytes;
        else
            result += '?';
        text.remove_prefix(character.bytes.size());
    }
    return result;
}

std::string cut(std::string_view text, unsigned columns, bool unicode) {
    if (columns == 0 || displayWidth(text) <= columns)
        return std::string(text);
    const std::string_view ellipsis = unicode ? "\u2026" : "...";
    const unsigned ellipsisWidth = unicode ? 1 : 3;
    if (columns < ellipsisWidth)
        return std::string(ellipsis.substr(0, columns)); // of three dots; the other is one column wide
    std::string result;
    unsigned width = 0;
    while (!text.empty()) {
        const Character character = firstCharacter(text);
        const unsigned more = characterWidth(character);
        if (width + more + ellipsisWidth > columns)
            break;
        result += character.bytes;
        width += more;
        text.remove_prefix(character.bytes.size());
    }
    result.erase(result.find_last_not_of(' ') + 1);
    return result.append(ellipsis);
}

std::string pad(std::string_view text, unsigned columns) {
    std::string result(text);
    if (const unsigned width = displayWidth(text); width < columns)
        result.append(columns - width, ' ');
    return result;
}

std::vector<std::string> wrap(std::string_view text, unsigned columns) {
    std::vector<std::string> lines;
    std::string line;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        if (!word.empty()) {
            const bool fits = columns == 0 || displayWidth(line) + 1 + displayWidth(word) <= columns;
            if (!line.empty() && !fits) {
                lines.push_back(std::move(line));
                line.clear();
            }
            if (!line.empty())
                line += ' ';
            line += word;
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (!line.empty())
        lines.push_back(std::move(line));
    return lines;
}

} // namespace vfiobind::ctl
