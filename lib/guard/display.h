// SPDX-License-Identifier: LGPL-2.1-or-later
/// Screens, consoles and sound of a device that the host uses.
#pragma once

#include "guard/blocker.h"
#include "guard/device_nodes.h"
#include "guard/processes.h"
#include "sysfs/sysfs.h"

#include <set>
#include <vector>

namespace vfiobind {

/// Whether the virtual terminals are shown on the device, or it cannot be told.
bool mayShowTerminals(const Sysfs& sysfs, const Address& device);

/// The consoles, such as `vtcon1`, that show the virtual terminals on one of the devices and that the kernel
/// can take them from. None where another device has a framebuffer: the kernel moves the terminals there by
/// itself (fbcon_fb_unregistered in drivers/video/fbdev/core/fbcon.c).
SysResult<std::vector<std::string>> consolesOn(const Sysfs& sysfs, const std::vector<Address>& devices);

/// The devices that tell whether anybody is at a virtual terminal: /dev/tty1 to /dev/tty63.
std::set<DeviceNumber> terminalNodes(const Sysfs& sysfs);

/// `boot-display` for the card that the firmware used (`boot_vga`), and where the firmware's framebuffer lies
/// in one of its BARs (/proc/iomem; whatever takes the card then cannot map it).
Blockers bootDisplayBlockers(const Sysfs& sysfs, const Address& device);

/// `console` where the virtual terminals are shown on the device and somebody uses them: the kernel writes to
/// tty0 (/proc/consoles), or a process has a terminal open. Also for a serial port that is a kernel console.
/// Terminals that nobody has open are no loss.
Blockers consoleBlockers(const Sysfs& sysfs, const Address& device, const Openers& openers);

/// `display-in-use` where a connector shows a picture that is not the console's.
Blockers pictureBlockers(const Sysfs& sysfs, const Address& device);

/// `sound-in-use` where a stream runs on one of the nodes: its owner may be a process that cannot be seen.
Blockers streamBlockers(const Sysfs& sysfs, const Address& device, const std::vector<DeviceNode>& nodes);

} // namespace vfiobind
