// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the kernel counts as used by nobody at all: it need not be searched for among the mounts and the open
/// descriptors of the whole host.
///
/// Whoever opens a node, be it a mount, a swap, what is built upon a disk, or a program in whatever
/// namespace, holds a reference of the module whose `owner` is in the node's operations until it closes it:
/// bdev_open() in block/bdev.c and fs/char_dev.c. `refcnt` shows the references of a module, and `holders`
/// the modules that have one each (show_refcnt() in kernel/module/main.c, add_usage_links() in
/// kernel/module/sysfs.c).
#pragma once

#include "pci/address.h"
#include "sysfs/sysfs.h"

#include <string_view>

namespace vfiobind {

/// Whether no disk below the PCI function is open, which is known of:
/// - NVMe disks: the disks, partitions, multipath heads and character devices of all controllers count for
///   nvme_core, and the target's passthrough for nvme (drivers/nvme/host/core.c, multipath.c;
///   target/passthru.c).
/// - SCSI disks of ahci, usb-storage, uas and virtio_scsi: each open one counts for the module of its host's
///   template (scsi_device_get() in drivers/scsi/scsi.c, called by sd, sr, sg and st).
/// False where one is open, and where it cannot be told: other drivers, drivers that are built in, kernels
/// without CONFIG_MODULE_UNLOAD. True where there is no disk.
bool noDiskIsOpen(const Sysfs& sysfs, const Address& device);

/// Whether no node is open of those that the PCI function's own driver made in the class (`drm`, `graphics`,
/// `sound`). False where it cannot be told, or another driver made one: that of a virtio device below it,
/// say. Each open node counts for the driver's module (drm_open() in drivers/gpu/drm/drm_file.c with
/// drm_stub_open(), drm_fbdev_fb_open(), fb_open(); snd_ctl_open(), snd_pcm_open(), snd_hwdep_open() with the
/// card's module).
bool noOwnNodeIsOpen(const Sysfs& sysfs, const Address& device, std::string_view classDirectory);

} // namespace vfiobind
