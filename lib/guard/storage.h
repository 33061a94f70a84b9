// SPDX-License-Identifier: LGPL-2.1-or-later
/// Disks behind a device that the host uses.
#pragma once

#include "guard/blocker.h"
#include "guard/processes.h"
#include "sysfs/sysfs.h"

namespace vfiobind {

/// For the block devices below the PCI function and all that is built upon them (BlockStack):
/// `mounted`, in any mount namespace that can be seen, btrfs by all of its devices, XFS also by its log and
/// realtime devices, file systems and journals that the kernel still has without such a mount, and the file
/// system that the kernel's command line names as `root=` while none is mounted yet; `swap`, to a device or a
/// file on it, and `resume=`; `storage-member` where something is built upon it that is neither, and members
/// of an imported ZFS pool, or which a program has open. All three are `usb-storage` for what hangs on a USB
/// bus.
Blockers storageBlockers(const Sysfs& sysfs, const Address& device, Programs& programs);

/// The first of these as a text, "" where there is none. For TransactionHooks::inUse.
std::string storageUse(const Sysfs& sysfs, const Address& device);

} // namespace vfiobind
