// SPDX-License-Identifier: LGPL-2.1-or-later
/// Disks behind a device that the host has mounted or swaps to.
#pragma once

#include "guard/blocker.h"
#include "sysfs/sysfs.h"

namespace vfiobind {

/// `mounted` and `swap` for the block devices that hang below the PCI function, through partitions and any
/// depth of device-mapper and MD (`holders`, Documentation/ABI/stable/sysfs-block), and through NVMe
/// multipath heads. Mounts are those of this process's mount namespace (proc_pid_mountinfo(5)).
Blockers storageBlockers(const Sysfs& sysfs, const Address& device);

} // namespace vfiobind
