// SPDX-License-Identifier: LGPL-2.1-or-later
/// What has become of an object, in words, for `vfio-bindctl watch`. Pure.
#pragma once

#include "state.h"

#include <string>
#include <vector>

namespace vfiobind::ctl {

/// One sentence for each thing that differs and that a person would want to know of.
std::vector<std::string> changes(const ManagerState& before, const ManagerState& after);
std::vector<std::string> changes(const GroupState& before, const GroupState& after);
std::vector<std::string> changes(const DeviceState& before, const DeviceState& after);
/// The steps that have ended since, and a job that has become stuck.
std::vector<std::string> changes(const JobState& before, const JobState& after);

} // namespace vfiobind::ctl
