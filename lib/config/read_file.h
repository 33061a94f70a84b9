// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <expected>
#include <string>

namespace vfiobind {

/// The whole content of a file, or the errno.
std::expected<std::string, int> readWholeFile(const std::string& path);

} // namespace vfiobind
