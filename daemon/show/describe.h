// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <sys/types.h>

namespace vfiobind {

class Core;

/// The whole state as one JSON document (org.vfiobind1.Manager.Describe, `vfio-bindctl --json`), for the
/// user: what leases are for is told to root and to their own user.
std::string describe(const Core& core, uid_t uid);

} // namespace vfiobind
