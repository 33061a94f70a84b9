// SPDX-License-Identifier: LGPL-2.1-or-later
/// The root file system's disk, before anything of it is to be seen.
#pragma once

#include "guard/blocker.h"
#include "guard/processes.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

namespace vfiobind {

/// In an initramfs, before udev, a disk controller has no driver and so no block devices. `mounted`, as what
/// cannot be told, where `root=` of the kernel's command line may mean a disk of it: by the name of its
/// driver (`/dev/nvme0n1p2` lies on an NVMe controller) or its place (`/dev/disk/by-path/pci-...`). Names
/// that tell neither (`UUID=`, `/dev/mapper/...`) mean it for certain only where there is no other disk
/// controller. None once the root file system is mounted.
Blockers unseenRootBlockers(const Sysfs& sysfs, const Topology& topology, const Device& device,
                            Programs& programs);

} // namespace vfiobind
