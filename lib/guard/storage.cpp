// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/storage.h"

#include <fmt/format.h>
#include <map>
#include <set>
#include <sstream>

namespace vfiobind {
namespace {

constexpr std::string_view blockDirectory = "/sys/class/block/";

std::string blockPath(const std::string& name, std::string_view file) {
    return fmt::format("{}{}/{}", blockDirectory, name, file);
}

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

/// The block devices below a PCI function, with what is built upon them.
class Stack {
public:
    Stack(const Sysfs& sysfs, const Address& device) : sysfs_(sysfs) {
        const auto names = sysfs.list("/sys/class/block");
        if (!names)
            return; // a kernel without block devices
        const auto part = '/' + device.str() + '/';
        for (const auto& name : *names) {
            const auto place = sysfs.link(std::string(blockDirectory) + name);
            if (!place || place->find(part) == std::string::npos)
                continue;
            add(name, name);
            if (const auto head = multipathHead(name); !head.empty())
                addHead(head, name, *names);
        }
    }

    /// How each device is reached: `nvme0n1p2 -> dm-0`, by name.
    const std::map<std::string, std::string>& chains() const { return chains_; }

private:
    void add(const std::string& name, const std::string& chain) {
        if (!chains_.emplace(name, chain).second)
            return;
        if (const auto holders = sysfs_.list(blockPath(name, "holders")))
            for (const auto& holder : *holders)
                add(holder, chain + " -> " + holder);
    }

    void addHead(const std::string& head, const std::string& path, const std::vector<std::string>& names) {
        for (const auto& name : names)
            if (name == head || name.starts_with(head + 'p'))
                add(name, path + " -> " + name);
    }

    const Sysfs& sysfs_;
    std::map<std::string, std::string> chains_;
};

std::string lastPart(const std::string& path) {
    return std::string(baseName(path));
}

/// Mount points by `major:minor` and by the source's name: btrfs shows a device number of its own.
std::multimap<std::string, std::string> mountPoints(const Sysfs& sysfs) {
    std::multimap<std::string, std::string> points;
    const auto text = sysfs.read("/proc/self/mountinfo", 1 << 20);
    std::istringstream lines(text.value_or(std::string{}));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string id;
        std::string parent;
        std::string number;
        std::string root;
        std::string point;
        words >> id >> parent >> number >> root >> point;
        points.emplace(number, point);
        if (const auto dash = line.find(" - "); dash != std::string::npos) {
            std::istringstream rest(line.substr(dash + 3));
            std::string type;
            std::string source;
            rest >> type >> source;
            if (source.starts_with("/dev/"))
                points.emplace(lastPart(source), point);
        }
    }
    return points;
}

std::set<std::string> swapNames(const Sysfs& sysfs) {
    std::set<std::string> names;
    std::istringstream lines(sysfs.read("/proc/swaps").value_or(std::string{}));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("/dev/"))
            names.insert(lastPart(line.substr(0, line.find_first_of(" \t"))));
    return names;
}

} // namespace

Blockers storageBlockers(const Sysfs& sysfs, const Address& device) {
    const Stack stack(sysfs, device);
    Blockers blockers;
    if (stack.chains().empty())
        return blockers;
    const auto mounts = mountPoints(sysfs);
    const auto swaps = swapNames(sysfs);
    for (const auto& [name, chain] : stack.chains()) {
        const auto number = sysfs.read(blockPath(name, "dev"), 32).value_or(std::string{});
        auto found = mounts.find(number);
        if (found == mounts.end())
            found = mounts.find(name);
        if (found != mounts.end())
            blockers.push_back(
                {"mounted", device,
                 fmt::format("{} holds {} ({}); unmount it first", device.str(), found->second, chain)});
        if (swaps.contains(name))
            blockers.push_back(
                {"swap", device, fmt::format("{} holds swap ({}); swapoff it first", device.str(), chain)});
    }
    return blockers;
}

} // namespace vfiobind
