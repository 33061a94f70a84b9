// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace vfiobind {

std::string SourceLocation::str() const {
    return line == 0 ? file : fmt::format("{}:{}:{}", file, line, column);
}

const Rule* Policy::find(std::string_view name) const {
    const auto rule = std::ranges::find(rules, name, &Rule::name);
    return rule == rules.end() ? nullptr : &*rule;
}

} // namespace vfiobind
