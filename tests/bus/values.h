// SPDX-License-Identifier: LGPL-2.1-or-later
/// What comes over the bus, as JSON: comparable and printable.
#pragma once

#include "dbus/sdbus_compat.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace vfiobind::bustest {

using nlohmann::json;

/// All of the types that the API has. Throws std::invalid_argument for another.
json toJson(const sdbus::Variant& value);
/// `a(sss)`
std::string signatureOf(const sdbus::Variant& value);

/// Properties by object path and interface, those of org.vfiobind1 only.
using Objects = std::map<std::string, std::map<std::string, std::map<std::string, json>>>;

std::map<std::string, json> toJson(const bus::PropertyMap& properties);
std::map<std::string, std::map<std::string, json>> toJson(const bus::InterfaceMap& interfaces);
Objects toJson(const bus::ManagedObjects& objects);

/// What differs, a line each; empty when nothing does.
std::string differences(const Objects& expected, const Objects& found);

} // namespace vfiobind::bustest
