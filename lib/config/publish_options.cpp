// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/publish_options.h"

#include <algorithm>

namespace vfiobind {
namespace {

bool isKindPart(std::string_view part, std::string_view others) {
    const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
    const auto alphanumeric = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
    return !part.empty() && letter(part.front()) && alphanumeric(part.back()) &&
           std::ranges::all_of(part, [&](char c) { return alphanumeric(c) || others.contains(c); });
}

} // namespace

bool isCdiKind(std::string_view kind) {
    const auto slash = kind.find('/');
    return slash != std::string_view::npos && isKindPart(kind.substr(0, slash), "_-.") &&
           isKindPart(kind.substr(slash + 1), "_-");
}

} // namespace vfiobind
