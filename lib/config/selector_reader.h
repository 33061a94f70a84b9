// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config/toml_reader.h"
#include "pci/selector.h"

#include <optional>
#include <string_view>

namespace vfiobind {

/// Reads an element of a list of selectors, a string or a table. What is wrong is reported to the reader;
/// `key` names the list, and `example` is what its whole line could be.
std::optional<Selector> readSelector(TomlReader& reader, const toml::node& node, std::string_view key,
                                     std::string_view example);

} // namespace vfiobind
