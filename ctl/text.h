// SPDX-License-Identifier: LGPL-2.1-or-later
/// Text for a terminal: widths, cutting, wrapping, colour.
#pragma once

#include "pci/text.h"

#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

enum class Colour { none, green, yellow, red, bold, faint };

/// How to print. `columns` 0 is no limit.
struct Style {
    unsigned columns = 80;
    bool colour = false;
    bool unicode = true; ///< whether the terminal shows more than ASCII

    /// The text in the colour, if colours are on.
    std::string paint(Colour which, std::string_view text) const;

    /// For standard output as it is: the terminal's width (else COLUMNS, else 80), colour only on a terminal
    /// that is not "dumb" and while NO_COLOR is unset or empty (no-color.org), unicode if the locale's
    /// character set is UTF-8.
    static Style forStdout();
};

/// How many columns the UTF-8 text takes: 2 for wide characters, 0 for combining ones, 1 for a byte that is
/// not UTF-8.
unsigned displayWidth(std::string_view text);

/// At most `columns` wide, the end replaced by an ellipsis where it is cut. 0 is no limit.
std::string cut(std::string_view text, unsigned columns, bool unicode);

/// Filled with spaces on the right to `columns`.
std::string pad(std::string_view text, unsigned columns);

/// Broken at spaces into lines of at most `columns`; a longer word gets a line of its own. 0 is no limit.
std::vector<std::string> wrap(std::string_view text, unsigned columns);

/// In single quotes, as a shell takes it (sh(1)).
std::string shellWord(std::string_view text);

} // namespace vfiobind::ctl
