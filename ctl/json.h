// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vfio-bindctl prints for programs. Keys are the names of the D-Bus properties; "Object" is the object
/// path.
#pragma once

#include "job_tracker.h"
#include "render.h"
#include "state.h"
#include "target.h"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

nlohmann::ordered_json toJson(const ManagerState& manager);
nlohmann::ordered_json toJson(const GroupState& group);
nlohmann::ordered_json toJson(const DeviceState& device);
nlohmann::ordered_json toJson(const JobState& job);

/// `{"Groups": [...], "Devices": [...]}`, each group with its members in "Members"; "Devices" are those in no
/// group.
std::string showJson(const Snapshot& snapshot, const Touched& touched);

/// `{"Target": ..., "Possible": ..., "Blockers": [...], "Steps": [...]}`
std::string checkJson(const std::string& target, const CheckResult& check);

/// `{"Target": ..., "Jobs": [{..., "Result": "done", "Error": ""}]}`; an error for each end, in the same
/// order.
std::string jobsJson(const std::string& target, const std::vector<JobEnd>& ends,
                     const std::vector<std::string>& errors);

/// `{"Error": {"Name": ..., "Message": ...}}`
std::string errorJson(std::string_view name, std::string_view message);

/// The JSON as one line; what is not UTF-8 in it is replaced.
std::string dumpLine(const nlohmann::ordered_json& json);

} // namespace vfiobind::ctl
