// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sysfs/sysfs.h"

namespace vfiobind {

/// Asks the kernel over a NETLINK_ROUTE socket (netlink(7)). A dump that the kernel marks as torn
/// (NLM_F_DUMP_INTR) is asked for again, a few times; EINTR where it never came whole.
SysResult<std::string> dumpFromKernel(std::uint16_t request, std::uint8_t family);

} // namespace vfiobind
