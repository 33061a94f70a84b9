// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>
#include <sys/types.h>

namespace vfiobind {

class Core;

/// Returns the whole state as one JSON document (org.vfiobind1.Manager.Describe, `vfio-bindctl --json`), for
/// the user: what a lease is for, VM names and what containers have mounted are shown only to root and to the
/// user whose lease or process it is.
std::string describe(const Core& core, uid_t uid);

} // namespace vfiobind
