// SPDX-License-Identifier: LGPL-2.1-or-later
/// Gathers lines of text in a style.
#pragma once

#include "text.h"

#include <string>
#include <string_view>
#include <utility>

namespace vfiobind::ctl {

class Lines {
public:
    explicit Lines(const Style& style) : style_(style) {}

    /// A line as it is.
    void raw(std::string_view text);
    /// A sentence, wrapped, each line indented by `indent` columns and those after the first by two more.
    void sentence(unsigned indent, std::string_view text, Colour colour = Colour::none);
    /// `label  value`, the value wrapped and aligned. Nothing if the value is empty.
    void field(unsigned indent, std::string_view label, std::string_view value, Colour colour = Colour::none);

    const Style& style() const { return style_; }
    /// The columns that are left right of `used`, at least 1; 0 for no limit.
    unsigned left(unsigned used) const;
    std::string take() { return std::move(text_); }

private:
    Style style_;
    std::string text_;
};

} // namespace vfiobind::ctl
