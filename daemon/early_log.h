// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace vfiobind {

/// Logs, once, what vfio-bind-early could not do, since that program had no journal to log to.
void tellOfEarly(const std::string& stateDirectory);

} // namespace vfiobind
