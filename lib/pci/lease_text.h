// SPDX-License-Identifier: LGPL-2.1-or-later
/// The `what` of a lease, which client and daemon check alike.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

namespace vfiobind {

inline constexpr std::size_t maxWhat = 128; ///< bytes

/// A sentence where the text cannot be the `what` of a lease: it is one line of UTF-8 without control
/// characters, for a terminal obeys those.
std::expected<void, std::string> checkWhat(std::string_view what);

} // namespace vfiobind
