// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lines.h"

#include <algorithm>

namespace vfiobind::ctl {

namespace {

constexpr unsigned labelColumns = 15;

} // namespace

unsigned Lines::left(unsigned used) const {
    if (style_.columns == 0)
        return 0;
    return std::max(style_.columns, used + 1) - used;
}

void Lines::raw(std::string_view text) {
    text_.append(text);
    text_ += '\n';
}

void Lines::sentence(unsigned indent, std::string_view text, Colour colour) {
    bool first = true;
    for (const std::string& line : wrap(printable(text), left(indent + 2))) {
        raw(std::string(first ? indent : indent + 2, ' ') + style_.paint(colour, line));
        first = false;
    }
}

void Lines::field(unsigned indent, std::string_view label, std::string_view value, Colour colour) {
    std::string head = std::string(indent, ' ') + pad(label, labelColumns);
    for (const std::string& line : wrap(printable(value), left(indent + labelColumns))) {
        raw(head + style_.paint(colour, line));
        head.assign(indent + labelColumns, ' ');
    }
}

} // namespace vfiobind::ctl
