// SPDX-License-Identifier: LGPL-2.1-or-later
/// The JSON of the daemon's state: kebab-case, groups by number, devices by address, ids as hexadecimal
/// digits. Describe's document is made of it, and what vfio-bindctl prints of single objects.
#pragma once

#include "view/views.h"

#include <nlohmann/json_fwd.hpp>

namespace vfiobind {

nlohmann::ordered_json jsonOf(const Blockers& blockers);
/// `type` is that of groupType().
nlohmann::ordered_json jsonOf(const GroupView& group, const std::string& type);
nlohmann::ordered_json jsonOf(const DeviceView& device, const DeviceDetails& details);
nlohmann::ordered_json jsonOf(const JobView& job);
nlohmann::ordered_json jsonOf(const ManagerView& manager);

} // namespace vfiobind
