// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "config/publish_options.h"
#include "config/toml_reader.h"

namespace vfiobind {

/// Reads what a [publish] table says into the options; what it leaves out stays. Errors go to the reader.
void readPublish(TomlReader& reader, const toml::table& table, PublishOptions& options);

} // namespace vfiobind
