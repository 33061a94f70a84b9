// SPDX-License-Identifier: LGPL-2.1-or-later
/// What all sources together come to: what one of them says may have no effect because of another.
#pragma once

#include "import/found.h"

namespace vfiobind::ctl {

/// Of the `ids=` of a module the last one becomes claims; a warning names the others, where they say
/// something else. Nothing stays among what is removable that is not in a rule: lines about VFIO go where
/// there is a claim, lines that keep a native driver off where it is one of a claimed device. In order of
/// place.
void settle(const ImportContext& context, Found& found);

} // namespace vfiobind::ctl
