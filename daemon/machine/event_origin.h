// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

namespace vfiobind {

/// Who tells of a device. `driver` is the kernel's, too: of a driver that took the device, or left it.
enum class EventOrigin { kernel, driver, udev };

} // namespace vfiobind
