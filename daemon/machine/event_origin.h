// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace vfiobind {

/// Who sent an event of a device. `driver` is the kernel's event for a driver that was bound or unbound.
enum class EventOrigin { kernel, driver, udev };

} // namespace vfiobind
