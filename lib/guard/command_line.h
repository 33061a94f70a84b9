// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which disks the kernel's command line names.
#pragma once

#include "sysfs/sysfs.h"

#include <optional>
#include <string>
#include <string_view>

namespace vfiobind {

/// The value of the last `KEY=VALUE` on the kernel's command line (proc_cmdline(5)), quotes taken off; none
/// where there is no such parameter.
std::optional<std::string> kernelParameter(std::string_view commandLine, std::string_view key);

/// The block device that a value of `root=` or `resume=` means, as /sys/class/block names it: `/dev/sda2`
/// and links below /dev, `UUID=`, `LABEL=`, `PARTUUID=`, `PARTLABEL=` by udev's links in /dev/disk, and
/// `254:0`. None where that cannot be told (yet), or it names no block device (`/dev/nfs`, `ZFS=...`).
std::optional<std::string> namedBlockDevice(const Sysfs& sysfs, const std::string& value);

/// Whether a value of `root=` means a disk at all.
bool namesDisk(std::string_view value);

} // namespace vfiobind
