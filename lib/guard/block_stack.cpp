// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/block_stack.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace vfiobind {
namespace {

/// nvme0c1n1 is one path to nvme0n1; the head that is mounted lies below no PCI function.
std::string multipathHead(const std::string& name) {
    if (!name.starts_with("nvme"))
        return {};
    const auto path = name.find('c');
    const auto space = name.find('n', path);
    if (path == std::string::npos || space == std::string::npos)
        return {};
    return name.substr(0, path) + name.substr(space);
}

} // namespace

// A component `usb1` of the place.
bool onUsb(std::string_view place) {
    for (auto at = place.find("/usb"); at != std::string_view::npos; at = place.find("/usb", at + 1))
        if (at + 4 < place.size() && std::isdigit(static_cast<unsigned char>(place[at + 4])) != 0)
            return true;
    return false;
}

std::string blockPath(const std::string& name, std::string_view file) {
    return fmt::format("/sys/class/block/{}/{}", name, file);
}

BlockStack::BlockStack(const Sysfs& sysfs, const Address& device, Reach reach) :
    sysfs_(sysfs), reach_(reach) {
    const auto below = classEntriesBelow(sysfs, "block", device);
    if (!below) {
        unreadable_.push_back(below.error());
        return;
    }
    if (below->empty())
        return;
    // A multipath head is found among the names only.
    if (reach == Reach::all || std::ranges::any_of(*below, [](const ClassEntry& entry) {
            return !multipathHead(entry.name).empty();
        }))
        names_ = sysfs.list("/sys/class/block").value_or(std::vector<std::string>{});
    for (const auto& [name, place] : *below) {
        add(name, "", onUsb(place), false);
        if (const auto head = multipathHead(name); !head.empty())
            addHead(head, name, onUsb(place));
    }
}

/// `dm-0 vg0-root`: the number says little to people.
std::string BlockStack::label(const std::string& name) const {
    const auto given = sysfs_.read(blockPath(name, "dm/name"), 256);
    return given && !given->empty() ? name + ' ' + *given : name;
}

void BlockStack::add(const std::string& name, const std::string& from, bool usb, bool built) {
    if (nodes_.contains(name))
        return;
    if (reach_ == Reach::own) {
        nodes_.emplace(
            name, BlockNode{.name = name, .chain = from.empty() ? name : from + " -> " + name, .usb = usb});
        return;
    }
    const auto number = readIfThere(sysfs_, blockPath(name, "dev"), 32);
    if (!number)
        unreadable_.push_back(number.error());
    BlockNode node{.name = name,
                   .chain = from.empty() ? label(name) : from + " -> " + label(name),
                   .number = number.value_or(std::string{}),
                   .built = built,
                   .usb = usb};
    const auto chain = node.chain;
    const auto holders = listIfThere(sysfs_, blockPath(name, "holders"));
    if (!holders)
        unreadable_.push_back(holders.error());
    node.used = holders && !holders->empty();
    nodes_.emplace(name, std::move(node));
    for (const auto& holder : holders.value_or(std::vector<std::string>{}))
        add(holder, chain, usb, true);
    // A built device has partitions of its own: md0p1, loop0p1 (an NVMe disk's hang below the function).
    for (const auto& part : names_)
        if (built && part.starts_with(name) && part != name && sysfs_.exists(blockPath(part, "partition")) &&
            sysfs_.exists(blockPath(name, part)))
            add(part, chain, usb, true);
    addLoops(name);
}

void BlockStack::addHead(const std::string& head, const std::string& path, bool usb) {
    for (const auto& name : names_)
        if (name == head || (name.starts_with(head + 'p') && sysfs_.exists(blockPath(name, "dev"))))
            add(name, path, usb, false);
}

void BlockStack::addLoops(const std::string& name) {
    for (const auto& loop : names_) {
        if (!loop.starts_with("loop"))
            continue;
        const auto file = readIfThere(sysfs_, blockPath(loop, "loop/backing_file"), 4096);
        if (!file)
            unreadable_.push_back(file.error());
        else if (*file == "/dev/" + name) {
            nodes_.at(name).used = true;
            add(loop, nodes_.at(name).chain, nodes_.at(name).usb, true);
        }
    }
}

BuiltKind builtKind(const Sysfs& sysfs, const std::string& name) {
    if (name.starts_with("loop"))
        return {"a loop device", "losetup -d /dev/" + name};
    if (name.starts_with("md"))
        return {"an MD array", "mdadm --stop /dev/" + name};
    const auto given = sysfs.read(blockPath(name, "dm/name"), 256).value_or(name);
    const auto uuid = sysfs.read(blockPath(name, "dm/uuid"), 256).value_or(std::string{});
    if (uuid.starts_with("LVM-"))
        return {"an LVM volume", "lvchange -an /dev/mapper/" + given};
    if (uuid.starts_with("CRYPT-"))
        return {"an open dm-crypt device", "cryptsetup close " + given};
    if (uuid.starts_with("mpath-"))
        return {"a multipath device", "multipath -f " + given};
    if (name.starts_with("dm-"))
        return {"a device-mapper device", "dmsetup remove " + given};
    return {"a device", "take " + name + " down"};
}

} // namespace vfiobind
