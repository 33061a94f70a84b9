// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sysfs/sysfs.h"

#include <string_view>
#include <vector>

namespace vfiobind {

/// From now on a netlink socket of the kernel's uevents hears of these subsystems only, and where `action` is
/// given of that alone. What libudev filters by is in udevd's messages, not in the kernel's: of those it
/// wakes us for each one on the machine and looks at it then. The error is that of setsockopt(2): ENOMEM
/// where net.core.optmem_max (socket(7)) is less than what the kernel has by itself. The socket then hears of
/// all, as before.
///
/// The kernel's messages begin with `ACTION@DEVPATH`, and `ACTION=`, `DEVPATH=` and `SUBSYSTEM=` follow in
/// this order (kobject_uevent_env() in lib/kobject_uevent.c). A message where something else stands there, or
/// whose path is uncommonly long, is let through; one that ends before is not.
SysResult<void> hearOnlyOf(int fd, const std::vector<std::string_view>& subsystems,
                           std::string_view action = {});

} // namespace vfiobind
