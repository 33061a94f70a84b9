// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/holders.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <set>

namespace vfiobind {
namespace {

/// The arguments of a process; the kernel separates them with NUL (proc_pid_cmdline(5)).
std::vector<std::string> arguments(const Sysfs& sysfs, const std::string& process) {
    std::vector<std::string> list;
    const auto text = sysfs.read(process + "/cmdline");
    if (!text)
        return list;
    std::size_t begin = 0;
    while (begin < text->size()) {
        const auto end = std::min(text->find('\0', begin), text->size());
        list.push_back(text->substr(begin, end - begin));
        begin = end + 1;
    }
    return list;
}

/// QEMU's `-name guest=win11,debug-threads=on` or `-name win11`; empty where the command line tells none.
std::string virtualMachineName(const std::vector<std::string>& words) {
    const auto at = std::ranges::find(words, "-name");
    if (at == words.end() || std::next(at) == words.end())
        return {};
    std::string_view name = *std::next(at);
    if (name.starts_with("guest="))
        name.remove_prefix(6);
    return std::string(name.substr(0, name.find(',')));
}

Holder describe(const Sysfs& sysfs, unsigned pid) {
    const auto process = fmt::format("/proc/{}", pid);
    const auto comm = sysfs.read(process + "/comm", 64);
    Holder holder{pid, comm ? *comm : "?"};
    if (const auto name = virtualMachineName(arguments(sysfs, process)); !name.empty())
        holder.command += fmt::format(" (VM {})", name);
    return holder;
}

bool linksToAny(const Sysfs& sysfs, const std::string& directory, const std::vector<std::string>& descriptors,
                const std::set<std::string>& nodes) {
    return std::ranges::any_of(descriptors, [&](const auto& fd) {
        const auto target = sysfs.link(directory + '/' + fd);
        return target && nodes.contains(*target);
    });
}

/// The `ino:` line of a descriptor; 0 where the kernel tells none (before Linux 5.14).
std::uint64_t inodeOf(const std::string& fdinfo) {
    const auto at = fdinfo.find("\nino:");
    return at == std::string::npos ? 0 : std::strtoull(fdinfo.c_str() + at + 5, nullptr, 10);
}

bool hasAnyInode(const Sysfs& sysfs, const std::string& process, const std::set<std::string>& nodes) {
    std::set<std::uint64_t> inodes;
    for (const auto& node : nodes)
        for (const auto& path : {node, process + "/root" + node})
            if (const auto inode = sysfs.inode(path))
                inodes.insert(*inode);
    const auto descriptors = sysfs.list(process + "/fdinfo");
    return descriptors && std::ranges::any_of(*descriptors, [&](const auto& fd) {
               const auto text = sysfs.read(process + "/fdinfo/" + fd, 4096);
               return text && inodes.contains(inodeOf(*text));
           });
}

bool holdsAny(const Sysfs& sysfs, const std::string& pid, const std::set<std::string>& nodes) {
    const auto process = "/proc/" + pid;
    const auto descriptors = sysfs.list(process + "/fd");
    if (descriptors)
        return linksToAny(sysfs, process + "/fd", *descriptors, nodes);
    return descriptors.error().code == EACCES && hasAnyInode(sysfs, process, nodes);
}

} // namespace

std::string groupNode(const Sysfs& sysfs, unsigned group) {
    for (const auto* form : {"/dev/vfio/{}", "/dev/vfio/noiommu-{}"})
        if (auto path = fmt::format(fmt::runtime(form), group); sysfs.exists(path))
            return path;
    return {};
}

std::string vfioDeviceNode(const Sysfs& sysfs, const Address& device) {
    const auto names = sysfs.list(fmt::format("/sys/bus/pci/devices/{}/vfio-dev", device.str()));
    if (!names || names->empty())
        return {};
    auto path = "/dev/vfio/devices/" + names->front();
    return sysfs.exists(path) ? path : std::string{};
}

std::vector<Holder> holders(const Sysfs& sysfs, const Topology& topology, unsigned group) {
    std::set<std::string> nodes;
    if (auto node = groupNode(sysfs, group); !node.empty())
        nodes.insert(std::move(node));
    for (const auto* device : topology.endpoints(group))
        if (auto node = vfioDeviceNode(sysfs, device->address); !node.empty())
            nodes.insert(std::move(node));
    std::vector<Holder> found;
    if (nodes.empty())
        return found;
    const auto processes = sysfs.list("/proc");
    if (!processes)
        return found;
    for (const auto& name : *processes) {
        unsigned pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error == std::errc{} && end == name.data() + name.size() && holdsAny(sysfs, name, nodes))
            found.push_back(describe(sysfs, pid));
    }
    return found;
}

} // namespace vfiobind
