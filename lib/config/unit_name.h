// SPDX-License-Identifier: LGPL-2.1-or-later
/// Names of systemd's units in a rule.
#pragma once

#include <string>
#include <string_view>

namespace vfiobind {

/// Empty for a unit that `pause-units` can have, else a sentence that says what would be right. Names are as
/// systemd.unit(5) has them; only kinds that can be stopped and started again are taken, no template without
/// its instance, and nothing that the daemon needs in order to start the units again.
std::string refusePausedUnit(std::string_view name);

} // namespace vfiobind
