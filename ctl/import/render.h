// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "import/rules.h"

namespace vfiobind::ctl {

/// The rules as vfio-bind.toml(5) has them; comments say where each came from and what it matches now. Empty
/// where there is nothing to say.
std::string renderToml(const ImportedRules& made, const ImportContext& context);

} // namespace vfiobind::ctl
