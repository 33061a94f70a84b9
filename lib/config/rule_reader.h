// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config/rule_settings.h"
#include "config/toml_reader.h"

namespace vfiobind {

/// Reads a [[bind]] table. What is wrong is reported to the reader; what is right is given back all the same,
/// so that the rest can be checked.
RuleText readRule(TomlReader& reader, const toml::table& table);

/// Reads [defaults].
RuleSettings readDefaults(TomlReader& reader, const toml::table& table);

} // namespace vfiobind
