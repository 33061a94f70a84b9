// SPDX-License-Identifier: LGPL-2.1-or-later
/// Screens, consoles and sound of a device that the host uses.
#pragma once

#include "guard/blocker.h"
#include "guard/processes.h"
#include "sysfs/sysfs.h"

#include <set>
#include <string>

namespace vfiobind {

/// The nodes of a PCI function that processes may have open, by what an open one means. Screens that the
/// kernel counts as open to nobody (noScreenIsOpen()) are not among them.
struct UserNodes {
    std::set<std::string> display; ///< /dev/dri/*, /dev/fb*, NVIDIA's /dev/nvidia*
    std::set<std::string> sound;   ///< /dev/snd/*
    Blockers unknown;              ///< what could not be looked at
};
UserNodes userNodes(const Sysfs& sysfs, const Address& device);

/// Whether the virtual terminals are shown on the device, or it cannot be told.
bool mayShowTerminals(const Sysfs& sysfs, const Address& device);

/// The nodes that tell whether anybody is at a virtual terminal: /dev/tty1 to /dev/tty63.
std::set<std::string> terminalNodes(const Sysfs& sysfs);

/// `boot-display` for the card that the firmware used (`boot_vga`), and where the firmware's framebuffer lies
/// in one of its BARs (/proc/iomem; whatever takes the card then cannot map it).
Blockers bootDisplayBlockers(const Sysfs& sysfs, const Address& device);

/// `console` where the virtual terminals are shown on the device and somebody uses them: the kernel writes to
/// tty0 (/proc/consoles), or a process has a terminal open. Also for a serial port that is a kernel console.
/// Terminals that nobody has open are no loss.
Blockers consoleBlockers(const Sysfs& sysfs, const Address& device, const Openers& openers);

/// `display-in-use` where a process has a node open, or a connector shows a picture that is not the
/// console's.
Blockers displayBlockers(const Sysfs& sysfs, const Address& device, const UserNodes& nodes,
                         const Openers& openers);

/// `sound-in-use` where a process has a node open, or a stream runs.
Blockers soundBlockers(const Sysfs& sysfs, const Address& device, const UserNodes& nodes,
                       const Openers& openers);

} // namespace vfiobind
