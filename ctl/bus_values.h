// SPDX-License-Identifier: LGPL-2.1-or-later
/// From D-Bus properties to the plain values of state.h.
#pragma once

#include "dbus/sdbus_compat.h"
#include "state.h"

namespace vfiobind::ctl {

/// Takes over the properties that are there and leaves the others as they are, so it serves for a whole
/// object and for PropertiesChanged. Unknown properties, which a newer daemon may have, are left out. Throws
/// sdbus::Error where a property has another type than the XML says.
void takeOver(const bus::PropertyMap& properties, ManagerState& manager);
void takeOver(const bus::PropertyMap& properties, GroupState& group);
void takeOver(const bus::PropertyMap& properties, DeviceState& device);
void takeOver(const bus::PropertyMap& properties, JobState& job);

/// Takes over one object's interfaces. Throws as above.
void takeOver(const std::string& path, const bus::InterfaceMap& interfaces, Snapshot& snapshot);

/// The struct of a blocker as the bus has it.
using BlockerStruct = sdbus::Struct<std::string, std::string, std::string>;
std::vector<BlockerState> toBlockers(const std::vector<BlockerStruct>& structs);

inline constexpr const char* managerInterface = "org.vfiobind1.Manager";
inline constexpr const char* groupInterface = "org.vfiobind1.Group";
inline constexpr const char* deviceInterface = "org.vfiobind1.Device";
inline constexpr const char* jobInterface = "org.vfiobind1.Job";

} // namespace vfiobind::ctl
