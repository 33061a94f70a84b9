// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/storage.h"

#include "guard/block_stack.h"
#include "guard/command_line.h"
#include "guard/device_nodes.h"
#include "guard/exports.h"
#include "guard/idle.h"
#include "guard/mounts.h"
#include "guard/processes.h"
#include "pci/text.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <sstream>

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

/// The value after `KEY=` of a device in udev's database.
std::string udevValue(const std::string& data, const std::string& key) {
    std::istringstream lines(data);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("E:" + key + '='))
            return line.substr(key.size() + 3);
    return {};
}

std::string pointsText(const std::vector<std::string>& points) {
    constexpr std::size_t shown = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(points.size(), shown); ++i)
        text += (i == 0 ? "" : ", ") + printable(points[i]);
    return points.size() > shown ? fmt::format("{} and {} more", text, points.size() - shown) : text;
}

std::string exportSentence(const std::string& what, const Export& one) {
    return fmt::format("holds {}, which is exported ({}); take it out of there first: {}", what,
                       printable(one.place), one.undo);
}

class StorageLook {
public:
    StorageLook(const Sysfs& sysfs, const Address& device, Programs& programs) :
        sysfs_(sysfs), device_(device), programs_(programs),
        idle_(noDiskIsOpen(sysfs, device) && !sysfs.exists("/proc/spl/kstat/zfs")),
        stack_(sysfs, device, idle_ ? BlockStack::Reach::own : BlockStack::Reach::all) {}

    Blockers look() {
        for (const auto& error : stack_.unreadable())
            unknown("storage-member", fmt::format("{} holds disks in use", device_.str()), error);
        if (stack_.nodes().empty())
            return std::move(blockers_);
        if (!idle_)
            lookForUsers();
        lookAtCommandLine();
        if (!idle_)
            lookForMembersAndPrograms();
        return std::move(blockers_);
    }

private:
    void lookForUsers() {
        for (const auto& error : mounts().unreadable)
            unknown("mounted", fmt::format("{} holds a mounted file system", device_.str()), error);
        if (auto swaps = readSwaps(sysfs_))
            swaps_ = std::move(*swaps);
        else
            unknown("swap", fmt::format("{} holds swap", device_.str()), swaps.error());
        readBtrfs();
        readSuperblocks();
        readPools();
        for (const auto& [name, node] : stack_.nodes())
            lookForFilesystems(node);
    }

    void lookForMembersAndPrograms() {
        lookForExports();
        for (const auto& [name, node] : stack_.nodes())
            if (!told_.contains(name)) // what is in use says more than what it is part of
                lookForMembership(node);
        lookForPrograms();
    }

    const Mounts& mounts() {
        if (!mounts_)
            mounts_ = readMounts(programs_);
        return *mounts_;
    }

    void refuse(const BlockNode& node, const char* code, const std::string& sentence) {
        blockers_.push_back(
            {node.usb ? "usb-storage" : code, device_, fmt::format("{} {}", device_.str(), sentence)});
        told_.insert(node.name);
    }

    void unknown(const char* code, const std::string& question, const SysError& error) {
        blockers_.push_back(cannotTell(code, device_, question, error));
    }

    void lookForFilesystems(const BlockNode& node) {
        const auto points = mountPoints(node);
        if (!points.empty())
            refuse(node, "mounted",
                   fmt::format("holds {} ({}); unmount it first", pointsText(points), node.chain));
        else if (const auto found = superblocks_.find(node.name); found != superblocks_.end())
            refuse(node, "mounted",
                   fmt::format("holds a file system or its journal ({}), as {} says, which is mounted where "
                               "it cannot be seen: unmounted lazily, or in a namespace of its own; end who "
                               "uses it first",
                               node.chain, found->second));
        if (std::ranges::any_of(swaps_, [&](const Swap& swap) { return isOn(swap, node); }))
            refuse(node, "swap", fmt::format("holds swap ({}); swapoff it first", node.chain));
    }

    void lookForMembership(const BlockNode& node) {
        if (node.built && !node.used) {
            const auto kind = builtKind(sysfs_, node.name);
            refuse(
                node, "storage-member",
                fmt::format("is part of {} ({}); take it down first: {}", kind.what, node.chain, kind.undo));
        }
        lookForPool(node);
    }

    std::string mapperOf(const std::string& name) const {
        return sysfs_.read(blockPath(name, "dm/name"), 256).value_or(std::string{});
    }

    /// Where the device is mounted: the host's mounts, or else those of other namespaces.
    std::vector<std::string> mountPoints(const BlockNode& node) {
        std::vector<std::string> here;
        std::vector<std::string> elsewhere;
        const auto mapper = mapperOf(node.name);
        const auto filesystem = btrfs_.find(node.name);
        for (const auto& mount : mounts().all) {
            const bool same = isOf(mount, node, mapper);
            const bool sibling = filesystem != btrfs_.end() && mount.type == "btrfs" &&
                                 std::ranges::any_of(filesystem->second, [&](const auto& other) {
                                     return names(mount.source, other, mapperOf(other));
                                 });
            if (!same && !sibling)
                continue;
            auto& list = mount.process.empty() ? here : elsewhere;
            const auto point =
                mount.process.empty()
                    ? mount.point
                    : fmt::format("{} (in the mount namespace of process {})", mount.point, mount.process);
            if (std::ranges::find(list, point) == list.end())
                list.push_back(point);
        }
        return here.empty() ? elsewhere : here;
    }

    bool isOf(const Mount& mount, const BlockNode& node, const std::string& mapper) const {
        return (!node.number.empty() && mount.number == node.number) ||
               (sourceTells(mount) && names(mount.source, node.name, mapper)) ||
               std::ranges::any_of(mount.more, [&](const std::string& device) {
                   return names(device, node.name, mapper) || namedBlockDevice(sysfs_, device) == node.name;
               });
    }

    bool isOn(const Swap& swap, const BlockNode& node) {
        const auto mapper = mapperOf(node.name);
        if (swap.path == "/dev/" + node.name || (!mapper.empty() && swap.path == "/dev/mapper/" + mapper))
            return true;
        const auto* mount = swap.path.starts_with("/dev/") ? nullptr : mountOf(mounts(), swap.path);
        return mount != nullptr && isOf(*mount, node, mapper);
    }

    std::vector<std::string> listed(const std::string& directory, const char* code) {
        auto names = listIfThere(sysfs_, directory);
        if (!names)
            unknown(code, fmt::format("{} holds disks in use", device_.str()), names.error());
        return names.value_or(std::vector<std::string>{});
    }

    /// A btrfs of several devices shows one of them as its source (Documentation/filesystems/btrfs).
    void readBtrfs() {
        for (const auto& uuid : listed("/sys/fs/btrfs", "mounted")) {
            const auto members = listed("/sys/fs/btrfs/" + uuid + "/devices", "mounted");
            for (const auto& name : members) {
                btrfs_[name] = members;
                superblocks_[name] = "/sys/fs/btrfs/" + uuid + "/devices/" + name;
            }
        }
    }

    /// File systems live on without a mount that is to be seen, and an external journal has none at all.
    void readSuperblocks() {
        for (const std::string directory : {"/sys/fs/ext4/", "/sys/fs/xfs/", "/sys/fs/f2fs/"})
            for (const auto& name : listed(directory.substr(0, directory.size() - 1), "mounted"))
                superblocks_.emplace(name, directory + name);
        for (const auto& name : listed("/proc/fs/jbd2", "mounted")) {
            superblocks_.emplace(name, "/proc/fs/jbd2/" + name);
            // `sda1-8`: the journal is the file with this inode (jbd2_journal_init_inode).
            superblocks_.emplace(name.substr(0, name.rfind('-')), "/proc/fs/jbd2/" + name);
        }
    }

    /// By number: what is exported has no opener and no holder.
    void lookForExports() {
        const auto exports = readExports(sysfs_);
        for (const auto& error : exports.unreadable)
            unknown("storage-member", fmt::format("a disk of {} is exported", device_.str()), error);
        // A whole controller is passed through by its own node, which is no disk's.
        const auto nodes = exports.all.empty()
                               ? std::vector<DeviceNode>{}
                               : nodesBelow(sysfs_, device_).value_or(std::vector<DeviceNode>{});
        for (const auto& one : exports.all) {
            for (const auto& node : nodes)
                if (!node.number.block && node.number == one.device)
                    blockers_.push_back(
                        {"storage-member", device_,
                         fmt::format("{} {}", device_.str(), exportSentence(nodeName(sysfs_, node), one))});
            for (const auto& [name, node] : stack_.nodes())
                if (!told_.contains(name) && parseDeviceNumber(node.number, true) == one.device)
                    refuse(node, "storage-member", exportSentence(node.chain, one));
        }
    }

    /// A VM's disk, a database: open without a file system.
    void lookForPrograms() {
        std::map<DeviceNumber, std::string> names;
        std::set<DeviceNumber> numbers;
        for (const auto& [name, node] : stack_.nodes())
            if (const auto number = parseDeviceNumber(node.number, true); number && !told_.contains(name)) {
                names.emplace(*number, name);
                numbers.insert(*number);
            }
        const auto openers = programs_.openersOf(numbers);
        std::map<std::string, std::vector<Opener>> users; // by name
        // udev and what its rules run, mdadm say, look into every disk that comes, and let go of it by
        // themselves.
        for (const auto& opener : openers.found)
            if (!isOfService(sysfs_, opener.pid, "systemd-udevd"))
                users[names.at(opener.device)].push_back(opener);
        for (const auto& [name, programs] : users) {
            const auto& node = stack_.nodes().at(name);
            refuse(node, "storage-member",
                   fmt::format("holds {}, which {} has open; end it first", node.chain, named(programs)));
        }
        // What is known to be in use says enough.
        if (blockers_.empty() && !openers.unreadable.empty())
            unknown("storage-member", fmt::format("a program has a disk of {} open", device_.str()),
                    openers.unreadable.front());
    }

    void readPools() {
        for (const auto& name : listed("/proc/spl/kstat/zfs", "storage-member"))
            if (sysfs_.exists("/proc/spl/kstat/zfs/" + name + "/state"))
                pools_.insert(name);
    }

    /// ZFS takes its disks without a trace in sysfs; udev has read whose they are.
    void lookForPool(const BlockNode& node) {
        if (pools_.empty() || node.number.empty())
            return;
        const auto data = readIfThere(sysfs_, "/run/udev/data/b" + node.number);
        if (!data) {
            unknown("storage-member", fmt::format("{} is of a ZFS pool", node.chain), data.error());
            return;
        }
        const auto label = udevValue(*data, "ID_FS_LABEL");
        if (udevValue(*data, "ID_FS_TYPE") == "zfs_member" && pools_.contains(label))
            refuse(node, "storage-member",
                   fmt::format("is part of the ZFS pool {0} ({1}); take it down first: zpool export {0}",
                               label, node.chain));
    }

    /// Before the root file system is mounted only the command line tells which it will be.
    void lookAtCommandLine() {
        const auto line = readIfThere(sysfs_, "/proc/cmdline");
        if (!line) {
            unknown("mounted", fmt::format("{} holds the root file system", device_.str()), line.error());
            return;
        }
        lookAtParameter(*line, "root", "mounted", "the root file system");
        lookAtParameter(*line, "resume", "swap", "the image to resume from");
    }

    void lookAtParameter(const std::string& line, const char* key, const char* code, const char* what) {
        const auto value = kernelParameter(line, key);
        if (!value || !namesDisk(*value))
            return;
        const bool isRoot = code == std::string_view("mounted");
        const auto name = namedBlockDevice(sysfs_, *value);
        const auto node = name ? stack_.nodes().find(*name) : stack_.nodes().end();
        const bool isOurs = node != stack_.nodes().end() && !told_.contains(*name);
        // A stale resume= is common, and nothing is lost by it; the root's disk must be known.
        const bool isUnknown = !name && isRoot;
        if ((!isOurs && !isUnknown) || (isRoot && rootIsMounted(mounts())))
            return;
        if (isOurs)
            refuse(node->second, code,
                   fmt::format("holds {} ({}), as {}= of the kernel's command line says", what,
                               node->second.chain, key));
        if (isUnknown)
            blockers_.push_back(
                {code, device_,
                 fmt::format("whether {} holds {} cannot be told: {}={} of the kernel's command line names a "
                             "device that is not known yet",
                             device_.str(), what, key, printable(*value)),
                 false});
    }

    const Sysfs& sysfs_;
    Address device_;
    Programs& programs_;
    bool idle_; ///< nothing has any of the disks open, nor has ZFS closed one that is of a pool and offline
    BlockStack stack_;
    std::optional<Mounts> mounts_;
    std::vector<Swap> swaps_;
    std::map<std::string, std::vector<std::string>> btrfs_; ///< by member: all members
    std::map<std::string, std::string> superblocks_;        ///< by device: what tells of it
    std::set<std::string> pools_;
    std::set<std::string> told_;
    Blockers blockers_;
};

} // namespace

Blockers storageBlockers(const Sysfs& sysfs, const Address& device, Programs& programs) {
    return StorageLook(sysfs, device, programs).look();
}

std::string storageUse(const Sysfs& sysfs, const Address& device) {
    Programs programs(sysfs);
    const auto blockers = storageBlockers(sysfs, device, programs);
    return blockers.empty() ? std::string{} : blockers.front().str();
}

} // namespace vfiobind
