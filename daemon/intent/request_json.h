// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the daemon stores of calls, in JSON.
#pragma once

#include "intent/ledger.h"

#include <map>
#include <nlohmann/json_fwd.hpp>

namespace vfiobind {

nlohmann::json toJson(const Request& request);
/// Throws std::exception with a sentence.
Request requestFrom(const nlohmann::json& j);

/// The members of a group by address, each with its modalias.
nlohmann::json toJson(const std::map<Address, Ids>& members);
/// Throws std::exception with a sentence.
std::map<Address, Ids> membersFrom(const nlohmann::json& j);

} // namespace vfiobind
