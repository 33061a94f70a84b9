// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vfio-bindctl prints for programs. Keys and values are those of the document of the daemon's Describe
/// (view/view_json.h).
#pragma once

#include "job_tracker.h"
#include "pci/address.h"
#include "render.h"
#include "state.h"
#include "target.h"

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace vfiobind::ctl {

nlohmann::ordered_json toJson(const ManagerState& manager);
nlohmann::ordered_json toJson(const GroupState& group);
nlohmann::ordered_json toJson(const DeviceState& device);
nlohmann::ordered_json toJson(const JobState& job);

/// `0000:01:00.0` for `/org/vfiobind1/device/0000_01_00_0`. Throws std::runtime_error for another path.
Address addressOfPath(std::string_view objectPath);

/// Describe's document. The error is a sentence: the document is not as it should be.
std::expected<std::string, std::string> statusJson(const std::string& document);

/// The part of Describe's document that is about what a target touches: `groups`, their and the other touched
/// `devices`, and the `jobs` that work on them. Error as above.
std::expected<std::string, std::string> showJson(const std::string& document, const Resolved& resolved);

/// `{"target": ..., "possible": ..., "blockers": [...], "steps": [...]}`
std::string checkJson(const std::string& target, const CheckResult& check);

/// `{"target": ..., "jobs": [{..., "result": "done", "error": ""}]}`; an error for each end, in the same
/// order.
std::string jobsJson(const std::string& target, const std::vector<JobEnd>& ends,
                     const std::vector<std::string>& errors);

/// `{"error": {"name": ..., "message": ...}}`
std::string errorJson(std::string_view name, std::string_view message);

/// The JSON as one line; what is not UTF-8 in it is replaced.
std::string dumpLine(const nlohmann::ordered_json& json);

} // namespace vfiobind::ctl
