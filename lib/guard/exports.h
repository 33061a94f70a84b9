// SPDX-License-Identifier: LGPL-2.1-or-later
/// Disks that the kernel itself serves to others: LIO's and NVMe's targets. No process has them open and
/// nothing is built upon them.
#pragma once

#include "sysfs/sysfs.h"

#include <string>
#include <vector>

namespace vfiobind {

struct Export {
    DeviceNumber device;
    std::string place; ///< in configfs: `/sys/kernel/config/target/core/iblock_0/disk1`
    std::string undo;  ///< a command
    bool operator==(const Export&) const = default;
};

struct Exports {
    std::vector<Export> all;
    std::vector<SysError> unreadable;
};

/// LIO's block devices whose `enable` is 1 (target_dev_enable_show() in
/// drivers/target/target_core_configfs.c) by the number in `info` (iblock_show_configfs_dev_params() in
/// drivers/target/target_core_iblock.c), by `udev_path`, or by the file of a file backend; those of
/// `nvmet/subsystems/*/namespaces/*` and of passthrough by `device_path`, where they are enabled
/// (drivers/nvme/target/configfs.c). None where configfs has neither.
Exports readExports(const Sysfs& sysfs);

} // namespace vfiobind
