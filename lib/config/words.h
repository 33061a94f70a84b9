// SPDX-License-Identifier: LGPL-2.1-or-later
/// What somebody may have meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// How many characters were left out, added, changed or swapped with their neighbour between the words
/// (optimal string alignment), taking `_` for `-` and upper case for lower.
std::size_t editDistance(std::string_view first, std::string_view second);

/// At most `most` of the known words, the nearest first; among equally near ones the order they came in.
std::vector<std::string_view> nearest(std::string_view word, std::span<const std::string_view> known,
                                      std::size_t most);

/// `did you mean "driver"?` where one of the known words is near enough for a slip, else nothing.
std::string didYouMean(std::string_view word, std::span<const std::string_view> known);

/// The same, or else `write one of ...` with all the known words.
std::string didYouMeanOrOneOf(std::string_view word, std::span<const std::string_view> known);

} // namespace vfiobind
