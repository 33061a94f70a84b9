// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether a group takes the machine's last keyboard with it.
#pragma once

#include "guard/blocker.h"
#include "sysfs/sysfs.h"

#include <vector>

namespace vfiobind {

/// `last-keyboard` where every keyboard that the machine has hangs on the devices, which go together. A
/// keyboard is what has the keys 1 to 31 (as udev's input_id has it); those that software pretends to
/// (/sys/devices/virtual) do not count as another.
Blockers keyboardBlockers(const Sysfs& sysfs, const std::vector<Address>& devices);

} // namespace vfiobind
