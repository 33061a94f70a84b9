// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the command of `run` is told of the devices that it has.
#pragma once

#include "export/export.h"
#include "state.h"
#include "sysfs/sysfs.h"

#include <expected>
#include <map>
#include <string>

namespace vfiobind::ctl {

/// VFIO_BIND_GROUPS, VFIO_BIND_NODES and VFIO_BIND_DEVICES: lists separated by blanks, in order of group.
/// VFIO_BIND_QEMU: the words that `export --for qemu` prints, without quotes. The error says which group is
/// not with VFIO.
std::expected<std::map<std::string, std::string>, Refusal>
leaseEnvironment(const Snapshot& snapshot, const Touched& touched, const Sysfs& sysfs);

} // namespace vfiobind::ctl
