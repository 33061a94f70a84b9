// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the kernel counts as used by nobody at all: it need not be searched for among the mounts and the open
/// descriptors of the whole host.
///
/// Whoever opens a block device, be it a mount, a swap, what is built upon it, or a program in whatever
/// namespace, holds a reference of the module that drives it until he closes it, and so does a process that
/// has a DRM node open. `refcnt` shows the references of a module, and `holders` the modules that have one
/// each (show_refcnt() in kernel/module/main.c, add_usage_links() in kernel/module/sysfs.c). Which module it
/// is depends on the driver, so that these are known by name; all others count for nothing here.
#pragma once

#include "pci/address.h"
#include "sysfs/sysfs.h"

#include <string_view>

namespace vfiobind {

/// Whether there are disks below the PCI function and none of them is open:
/// - NVMe disks: the disks, partitions, multipath heads and character devices of all controllers count for
///   nvme_core (`owner` of their operations in drivers/nvme/host/core.c and multipath.c; bdev_open() in
///   block/bdev.c, which was blkdev_get_by_dev(); chrdev_open() in fs/char_dev.c), and the target's
///   passthrough for nvme (drivers/nvme/target/passthru.c).
/// - SCSI disks of ahci, usb-storage, uas and virtio_scsi: an open one counts for the module of its host's
/// template
///   (scsi_device_get() in drivers/scsi/scsi.c, called by sd, sr, sg and st).
/// False where one is open, where there is none, and where it cannot be told: other drivers, drivers that are
/// built in, kernels without CONFIG_MODULE_UNLOAD.
bool noDiskIsOpen(const Sysfs& sysfs, const Address& device);

/// Whether there are nodes below the PCI function in the class (`drm`, `graphics`), its own driver made them,
/// and none is open: each counts for the driver's module (`owner` of the drm_driver's fops, drm_stub_open()
/// in drivers/gpu/drm/drm_drv.c, drm_fbdev_fb_open() in drm_fb_helper.c, fb_open() in
/// drivers/video/fbdev/core). False as above, for virtio_pci among others, whose nodes count for virtio_gpu.
bool noScreenIsOpen(const Sysfs& sysfs, const Address& device, std::string_view classDirectory);

/// Whether no node of the kind below the function is open, by what is above, and for `ptp` since an open
/// clock counts for ptp (`owner` of the posix_clock's operations, posix_clock_register() in
/// kernel/time/posix-clock.c). False where it cannot be told.
bool noNodeIsOpen(const Sysfs& sysfs, const Address& device, std::string_view kind);

/// Whether no VFIO node is open on the whole host: those of groups, devices and the container, and what KVM
/// and others hold of them, count for vfio (`owner` of vfio_group_fops, vfio_device_fops and vfio_fops in
/// drivers/vfio; symbol_get() in virt/kvm/vfio.c). False where it cannot be told.
bool noVfioNodeIsOpen(const Sysfs& sysfs);

} // namespace vfiobind
