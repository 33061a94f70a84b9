// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sysfs/sysfs.h"

#include <string_view>
#include <vector>

namespace vfiobind {

/// From now on a netlink socket of the kernel's uevents hears of these subsystems only, and where `action` is
/// given of that alone. What libudev filters by is in udevd's messages, not in the kernel's: of those it
/// wakes us for each one on the machine and looks at it then. Of the errors of setsockopt(2) the only one to
/// be met is ENOMEM: net.core.optmem_max leaves less than 16 KiB.
///
/// The kernel's messages begin with `ACTION@DEVPATH`, and `ACTION=`, `DEVPATH=` and `SUBSYSTEM=` follow in
/// this order (kobject_uevent_env() in lib/kobject_uevent.c). A message that is not so, or whose path is
/// longer than any known, is let through.
SysResult<void> hearOnlyOf(int fd, const std::vector<std::string_view>& subsystems,
                           std::string_view action = {});

} // namespace vfiobind
