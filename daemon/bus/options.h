// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "api_error.h"
#include "call/call_options.h"
#include "dbus/sdbus_compat.h"

#include <expected>
#include <map>
#include <string>

namespace vfiobind::bus {

using OptionMap = std::map<std::string, sdbus::Variant>;

enum class Call { bind, release, check, acquire };

/// Reads the options of a call. Refuses unknown keys, keys of another call, wrong types and unknown values;
/// ignores nothing.
std::expected<CallOptions, ApiError> parseOptions(Call call, const OptionMap& given);

} // namespace vfiobind::bus
