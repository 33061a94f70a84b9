// SPDX-License-Identifier: LGPL-2.1-or-later
/// What every guard needs: what hangs below a PCI function, and how to say that something could not be read.
#pragma once

#include "guard/blocker.h"
#include "sysfs/sysfs.h"

#include <string>
#include <string_view>
#include <vector>

namespace vfiobind {

/// Whether the thing is not there (any more): ENOENT, ENODEV, ENXIO, ESRCH. It is then in nobody's use, and
/// no failure to look.
bool isGone(const SysError& error);

/// What could not be looked at is taken for in use:
/// `whether 0000:05:00.0 holds a mount cannot be told: read /proc/1/mountinfo: EACCES (Permission denied)`.
/// The question goes on after "whether".
Blocker cannotTell(std::string code, const Address& device, std::string_view question, const SysError& error);

/// An entry of a class directory.
struct ClassEntry {
    std::string name;  ///< `sda1`
    std::string place; ///< the link's target, `../../devices/pci0000:00/0000:00:14.0/usb1/...`
};

/// The entries of `/sys/class/CLASS` that hang below the PCI function at any depth, in order of name. None
/// where the kernel has no such class.
SysResult<std::vector<ClassEntry>> classEntriesBelow(const Sysfs& sysfs, std::string_view classDirectory,
                                                     const Address& device);

/// Whether a place below /sys/devices is below the PCI function.
bool isBelow(std::string_view place, const Address& device);

/// What may hang below a PCI function. Looking for disks, nodes and keyboards means to read the links of all
/// that the host has; the folders of the function itself are few.
struct Below {
    bool disks = true;
    bool networks = true;
    bool nodes = true;  ///< devices with a node that a process can have open, disks among them
    bool others = true; ///< keyboards, whatever else
};
/// By the names of the function's own folders; everything where they cannot be read, or one is not known.
Below whatIsBelow(const Sysfs& sysfs, const Address& device);

/// The file's content; empty where it is not there. Other errors stay.
SysResult<std::string> readIfThere(const Sysfs& sysfs, const std::string& path, std::size_t limit = 65536);
/// The same for a directory's names.
SysResult<std::vector<std::string>> listIfThere(const Sysfs& sysfs, const std::string& path);

} // namespace vfiobind
