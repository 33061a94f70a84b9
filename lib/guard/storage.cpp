// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/storage.h"

#include "guard/block_stack.h"
#include "guard/command_line.h"
#include "guard/device_nodes.h"
#include "guard/disk_contents.h"
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

/// The value after `KEY=` of a device in udev's database.
std::string udevValue(const std::string& data, const std::string& key) {
    std::istringstream lines(data);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("E:" + key + '='))
            return line.substr(key.size() + 3);
    return {};
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
        contents_.emplace(sysfs_, mounts());
        for (const auto& error : contents_->unreadable())
            unknown("mounted", fmt::format("{} holds disks in use", device_.str()), error);
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

    void refuse(const BlockNode& node, const char* code, const std::string& sentence,
                std::vector<Detail> details = {}) {
        blockers_.push_back({.code = node.usb ? "usb-storage" : code,
                             .device = device_,
                             .sentence = fmt::format("{} {}", device_.str(), sentence),
                             .details = std::move(details)});
        told_.insert(node.name);
    }

    void unknown(const char* code, const std::string& question, const SysError& error) {
        blockers_.push_back(cannotTell(code, device_, question, error));
    }

    void lookForFilesystems(const BlockNode& node) {
        const auto points = mountPointsOf(programs_, contents_->mountPoints(node));
        if (!points.empty())
            refuse(node, "mounted", fmt::format("holds {} ({}); unmount it first", points.text, node.chain),
                   points.details);
        else if (const auto teller = contents_->tellerOf(node.name))
            refuse(node, "mounted",
                   fmt::format("holds a file system or its journal ({}), as {} says, which is mounted where "
                               "it cannot be seen: unmounted lazily, or in a namespace of its own; end who "
                               "uses it first",
                               node.chain, *teller));
        if (std::ranges::any_of(swaps_, [&](const Swap& swap) { return contents_->has(swap, node); }))
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
                   fmt::format("holds {}, which {} has open; end it first", node.chain, named(programs)),
                   detailsOf(programs));
        }
        // What is known to be in use says enough.
        if (blockers_.empty() && !openers.unreadable.empty())
            unknown("storage-member", fmt::format("a program has a disk of {} open", device_.str()),
                    openers.unreadable.front());
    }

    void readPools() {
        const auto names = listIfThere(sysfs_, "/proc/spl/kstat/zfs");
        if (!names)
            unknown("storage-member", fmt::format("{} holds disks in use", device_.str()), names.error());
        for (const auto& name : names.value_or(std::vector<std::string>{}))
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
    std::optional<DiskContents> contents_; ///< of what is in use
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
