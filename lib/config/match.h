// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config/host_facts.h"
#include "config/toml_reader.h"

#include <string>

namespace vfiobind {

/// Reads [match]. Empty where all of its keys hold for these facts, else why not:
/// `it is for host "gpu*", and this is "node7"`. What is wrong with the table is reported to the reader; a
/// key that is wrong does not hold.
std::string whyNotMatched(TomlReader& reader, const toml::table& table, const HostFacts& facts);

} // namespace vfiobind
