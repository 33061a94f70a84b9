// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/disk_contents.h"

#include "guard/command_line.h"
#include "guard/look.h"
#include "pci/text.h"

#include <algorithm>

namespace vfiobind {
namespace {

/// Whether a mount's source names the device: `/dev/sda1`, `/dev/mapper/vg0-root`, bcachefs' `/dev/a:/dev/b`.
bool names(const std::string& source, const std::string& device, const std::string& mapperName) {
    return std::ranges::any_of(split(source, ':'), [&](std::string_view part) {
        return part == "/dev/" + device || (!mapperName.empty() && part == "/dev/mapper/" + mapperName);
    });
}

/// Whether the source is the file system's word and the number no device's: those of several devices have a
/// number of their own. Of tmpfs and the like, which any user can mount, the source is any text.
bool sourceTells(const Mount& mount) {
    return mount.number.starts_with("0:") &&
           (mount.type == "btrfs" || mount.type == "bcachefs" || mount.type == "zfs");
}

} // namespace

DiskContents::DiskContents(const Sysfs& sysfs, const Mounts& mounts) : sysfs_(sysfs), mounts_(mounts) {
    readBtrfs();
    readSuperblocks();
}

std::map<std::string, std::vector<std::string>> DiskContents::mountPoints(const BlockNode& node) const {
    std::map<std::string, std::vector<std::string>> points;
    const auto mapper = mapperOf(node.name);
    for (const auto& mount : mounts_.all) {
        if (!isOf(mount, node, mapper) && !isOfSibling(mount, node))
            continue;
        auto& list = points[mount.process];
        if (std::ranges::find(list, mount.point) == list.end())
            list.push_back(mount.point);
    }
    return points;
}

bool DiskContents::has(const Swap& swap, const BlockNode& node) const {
    const auto mapper = mapperOf(node.name);
    if (swap.path == "/dev/" + node.name || (!mapper.empty() && swap.path == "/dev/mapper/" + mapper))
        return true;
    const auto* mount = swap.path.starts_with("/dev/") ? nullptr : mountOf(mounts_, swap.path);
    return mount != nullptr && isOf(*mount, node, mapper);
}

const std::string* DiskContents::tellerOf(const std::string& device) const {
    const auto found = tellers_.find(device);
    return found == tellers_.end() ? nullptr : &found->second;
}

/// A btrfs of several devices shows one of them as its source (Documentation/filesystems/btrfs).
void DiskContents::readBtrfs() {
    for (const auto& uuid : listed("/sys/fs/btrfs")) {
        const auto members = listed("/sys/fs/btrfs/" + uuid + "/devices");
        for (const auto& name : members) {
            btrfs_[name] = members;
            tellers_[name] = "/sys/fs/btrfs/" + uuid + "/devices/" + name;
        }
    }
}

void DiskContents::readSuperblocks() {
    for (const std::string folder : {"/sys/fs/ext4", "/sys/fs/xfs", "/sys/fs/f2fs"})
        for (const auto& name : listed(folder))
            tellers_.emplace(name, folder + '/' + name);
    for (const auto& name : listed("/proc/fs/jbd2")) {
        tellers_.emplace(name, "/proc/fs/jbd2/" + name);
        // `sda1-8`: the journal is the file with this inode (jbd2_journal_init_inode).
        tellers_.emplace(name.substr(0, name.rfind('-')), "/proc/fs/jbd2/" + name);
    }
}

std::vector<std::string> DiskContents::listed(const std::string& folder) {
    auto names = listIfThere(sysfs_, folder);
    if (!names)
        unreadable_.push_back(names.error());
    return names.value_or(std::vector<std::string>{});
}

std::string DiskContents::mapperOf(const std::string& name) const {
    return sysfs_.read(blockPath(name, "dm/name"), 256).value_or(std::string{});
}

bool DiskContents::isOf(const Mount& mount, const BlockNode& node, const std::string& mapper) const {
    return (!node.number.empty() && mount.number == node.number) ||
           (sourceTells(mount) && names(mount.source, node.name, mapper)) ||
           std::ranges::any_of(mount.more, [&](const std::string& device) {
               return names(device, node.name, mapper) || namedBlockDevice(sysfs_, device) == node.name;
           });
}

bool DiskContents::isOfSibling(const Mount& mount, const BlockNode& node) const {
    const auto filesystem = btrfs_.find(node.name);
    return filesystem != btrfs_.end() && mount.type == "btrfs" &&
           std::ranges::any_of(filesystem->second, [&](const auto& other) {
               return names(mount.source, other, mapperOf(other));
           });
}

} // namespace vfiobind
