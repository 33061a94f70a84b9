// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the file systems and swap of this host have of a disk.
#pragma once

#include "guard/block_stack.h"
#include "guard/mounts.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <vector>

namespace vfiobind {

class DiskContents {
public:
    /// Reads which file systems the kernel has, with a mount or without. `mounts` must outlive this.
    DiskContents(const Sysfs& sysfs, const Mounts& mounts);

    /// Where the device is mounted, by Mount::process.
    std::map<std::string, std::vector<std::string>> mountPoints(const BlockNode& node) const;

    /// Whether the swap, a device's or a file's, is on the device.
    bool has(const Swap& swap, const BlockNode& node) const;

    /// What in sysfs or procfs tells that the kernel has a file system or its journal on the device; null
    /// where nothing does. File systems live on without a mount that is to be seen, and an external journal
    /// has none at all.
    const std::string* tellerOf(const std::string& device) const;

    /// Folders that are there and could not be listed.
    const std::vector<SysError>& unreadable() const { return unreadable_; }

private:
    void readBtrfs();
    void readSuperblocks();
    std::vector<std::string> listed(const std::string& folder);
    std::string mapperOf(const std::string& name) const;
    bool isOf(const Mount& mount, const BlockNode& node, const std::string& mapper) const;
    bool isOfSibling(const Mount& mount, const BlockNode& node) const;

    const Sysfs& sysfs_;
    const Mounts& mounts_;
    std::map<std::string, std::vector<std::string>> btrfs_; ///< by member: all members
    std::map<std::string, std::string> tellers_;            ///< by device
    std::vector<SysError> unreadable_;
};

} // namespace vfiobind
