// SPDX-License-Identifier: LGPL-2.1-or-later
#include "text.h"

#include "pci/utf8.h"

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

std::string shellWord(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + '\'';
}

} // namespace vfiobind::ctl
