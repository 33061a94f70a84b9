// SPDX-License-Identifier: LGPL-2.1-or-later
/// The block devices below a PCI function, and what is built upon them.
#pragma once

#include "guard/look.h"
#include "sysfs/sysfs.h"

#include <map>
#include <string>
#include <vector>

namespace vfiobind {

struct BlockNode {
    std::string name;   ///< `dm-0`
    std::string chain;  ///< how it is reached: `nvme0n1p2 -> dm-0 vg0-root`
    std::string number; ///< `254:0`; empty for an NVMe path, which has no node of its own
    bool built = false; ///< upon another one: device-mapper, MD, bcache, a loop device
    bool used = false;  ///< something else is built upon it
    bool usb = false;   ///< hangs on a USB bus
};

/// Through partitions, any depth of device-mapper and MD (`holders`, Documentation/ABI/stable/sysfs-block),
/// loop devices over block devices (`loop/backing_file`), and NVMe multipath heads, which lie below no PCI
/// function themselves.
class BlockStack {
public:
    enum class Reach {
        own, ///< disks and their partitions: with neither numbers nor what is built upon them
        all
    };
    BlockStack(const Sysfs& sysfs, const Address& device, Reach reach = Reach::all);

    /// By name.
    const std::map<std::string, BlockNode>& nodes() const { return nodes_; }
    /// What could not be read on the way.
    const std::vector<SysError>& unreadable() const { return unreadable_; }

private:
    void add(const std::string& name, const std::string& from, bool usb, bool built);
    void addHead(const std::string& head, const std::string& path, bool usb);
    void addLoops(const std::string& name);
    std::string label(const std::string& name) const;

    const Sysfs& sysfs_;
    Reach reach_;
    std::vector<std::string> names_; ///< all of /sys/class/block
    std::map<std::string, BlockNode> nodes_;
    std::vector<SysError> unreadable_;
};

/// Whether the place below /sys/devices hangs on a USB bus.
bool onUsb(std::string_view place);

/// `/sys/class/block/NAME/FILE`
std::string blockPath(const std::string& name, std::string_view file);

/// How to take a built device down: `vgchange -an vg0` or so. By the prefix of `dm/uuid`, which its maker
/// writes.
struct BuiltKind {
    std::string what; ///< "an LVM volume"
    std::string undo; ///< a command
};
BuiltKind builtKind(const Sysfs& sysfs, const std::string& name);

} // namespace vfiobind
