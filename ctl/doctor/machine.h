// SPDX-License-Identifier: LGPL-2.1-or-later
/// What vfio-bindctl doctor finds of the machine as a whole. Reads files only, through the seam.
#pragma once

#include "doctor/finding.h"
#include "sysfs/sysfs.h"
#include "topology/device.h"

namespace vfiobind::ctl {

/// Whether there is an IOMMU and how it is switched on, and else which setting of the firmware or parameter
/// of the kernel is missing: the firmware offers one where it has an ACPI table DMAR (Intel), IVRS (AMD),
/// IORT (ARM) or VIOT (virtio).
Findings iommuFindings(const Sysfs& sysfs);

/// Whether interrupts are remapped: the names of x86's chips begin with `IR-` in /proc/interrupts.
Findings interruptFindings(const Sysfs& sysfs);

/// Whether vfio-pci and vfio_iommu_type1 are there, built in, installed, kept off by modprobe.d or the
/// kernel's command line, or unsigned under lockdown (kernel_lockdown(7)).
Findings moduleFindings(const Sysfs& sysfs);
/// The same for one driver that is not registered.
Finding moduleFinding(const Sysfs& sysfs, const std::string& driver);

/// Whether devices can be taken through iommufd, by their cdevs, as far as can be told.
bool hasIommufdWay(const Sysfs& sysfs);
/// Which ways to a device the kernel has: the group's node with its container, iommufd with cdevs, or both.
Findings wayFindings(const Sysfs& sysfs, bool root);

/// How much memory the calling user may lock (/proc/self/limits): a VM's memory is locked as a whole while it
/// has a device.
Findings memlockFindings(const Sysfs& sysfs, bool root);

/// Other ways to hand devices out that would get in the way: `vfio-pci.ids=` and `pci-stub.ids=` on the
/// command line, `options vfio-pci ids=` and `softdep ... vfio-pci` in modprobe.d, overrides of driverctl(8),
/// a vfio-bind.service of one's own.
Findings leftoverFindings(const Sysfs& sysfs);

/// Native drivers of the devices that are kept off by modprobe.d of this machine or by the kernel's command
/// line, as guides tell people to: after a release the device would have none.
Findings nativeModuleFindings(const Sysfs& sysfs, const std::vector<const Device*>& devices);

} // namespace vfiobind::ctl
