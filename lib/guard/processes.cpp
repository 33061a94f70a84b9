// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/processes.h"

#include "guard/look.h"
#include "pci/text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <optional>

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

std::string commandOf(const Sysfs& sysfs, const std::string& process) {
    const auto comm = sysfs.read(process + "/comm", 64);
    auto command = comm ? *comm : "?";
    if (const auto name = virtualMachineName(arguments(sysfs, process)); !name.empty())
        command += fmt::format(" (VM {})", name);
    return command;
}

/// The number after `name:` of fdinfo.
std::optional<std::uint64_t> fieldOf(const std::string& fdinfo, const char* name) {
    const auto at = ('\n' + fdinfo).find(fmt::format("\n{}:", name));
    if (at == std::string::npos)
        return std::nullopt;
    return std::strtoull(fdinfo.c_str() + at + std::strlen(name) + 1, nullptr, 10);
}

/// The number that a line begins with; 0 without one.
std::uint64_t numberIn(std::string_view line) {
    std::uint64_t number = 0;
    std::from_chars(line.data(), line.data() + line.size(), number);
    return number;
}

/// Whether a mount, a line of mountinfo, has device nodes.
bool hasDeviceNodes(std::string_view line) {
    const auto words = split(line, ' '); // id, parent, number, root, point
    const auto point = words.size() > 4 ? words[4] : std::string_view{};
    return point == "/dev" || point.starts_with("/dev/") || line.contains(" - devtmpfs ");
}

SysResult<std::string> mountinfoOf(const Sysfs& sysfs, const std::string& process) {
    // A host with thousands of containers has megabytes of them.
    constexpr std::size_t most = 64 << 20;
    const auto path = "/proc/" + process + "/mountinfo";
    auto text = sysfs.read(path, most);
    if (text && text->size() >= most)
        return std::unexpected(SysError{"read", path, EFBIG});
    // Of a process that ends and has no namespaces any more (mounts_open_common in fs/proc_namespace.c).
    if (!text && text.error().code == EINVAL)
        return std::unexpected(SysError{"read", path, ESRCH});
    return text;
}

/// What the process has open below /dev, by the links of its descriptors.
SysResult<std::set<std::string>> openNodes(const Sysfs& sysfs, const std::string& process) {
    auto descriptors = sysfs.links(process + "/fd");
    if (!descriptors)
        return std::unexpected(descriptors.error());
    std::set<std::string> found;
    for (auto& [fd, target] : *descriptors)
        if (target.starts_with("/dev/"))
            found.insert(std::move(target));
    return found;
}

/// Other users' processes do not show them to everybody; fdinfo does.
bool mayListLinks(const SysResult<std::set<std::string>>& links) {
    return links || (links.error().code != EACCES && links.error().code != EPERM);
}

bool isKernels(const Sysfs& sysfs, const std::string& number) {
    const auto program = sysfs.link("/proc/" + number + "/exe");
    return !program && isGone(program.error());
}

} // namespace

const SysResult<std::vector<std::string>>& Programs::numbers() {
    if (!numbers_) {
        numbers_ = listIfThere(sysfs_, "/proc");
        if (*numbers_)
            std::erase_if(**numbers_, [this](const auto& name) {
                return name.find_first_not_of("0123456789") != std::string::npos || isKernels(sysfs_, name);
            });
    }
    return *numbers_;
}

const std::vector<MountTable>& Programs::mountTables() {
    if (mountTables_)
        return *mountTables_;
    mountTables_.emplace();
    std::vector<std::string> processes{"1", "self"};
    if (const auto& all = numbers())
        std::ranges::remove_copy(*all, std::back_inserter(processes), "1");
    std::set<std::string> seen;
    for (const auto& process : processes) {
        const auto space = sysfs_.link("/proc/" + process + "/ns/mnt");
        if (space && seen.contains(*space))
            continue;
        auto text = mountinfoOf(sysfs_, process);
        const bool isHosts = process == "1" || process == "self";
        const bool gone = !text && isGone(text.error());
        if (gone && !isHosts)
            continue;
        if (space && !gone) // who ended can have left others in its namespace
            seen.insert(*space);
        if (text)
            learnMounts(*text);
        mountTables_->push_back({process, isHosts, space.has_value() || isHosts, std::move(text)});
    }
    return *mountTables_;
}

void Programs::learnMounts(const std::string& mountinfo) {
    for (const auto line : split(mountinfo, '\n'))
        if (const auto id = numberIn(line); id != 0)
            hasDeviceNodes_.emplace(id, hasDeviceNodes(line));
}

const SysResult<std::set<std::string>>& Programs::links(const std::string& number) {
    const auto known = links_.find(number);
    return known != links_.end() ? known->second
                                 : links_.emplace(number, openNodes(sysfs_, "/proc/" + number)).first->second;
}

SysResult<std::vector<Programs::Descriptor>> Programs::readDescriptors(const std::string& process) const {
    const auto names = sysfs_.list(process + "/fdinfo");
    if (!names)
        return std::unexpected(names.error());
    std::vector<Descriptor> found;
    for (const auto& fd : *names) {
        const auto text = sysfs_.read(process + "/fdinfo/" + fd, 4096);
        if (!text && !isGone(text.error()))
            return std::unexpected(text.error());
        if (!text)
            continue;
        const auto inode = fieldOf(*text, "ino");
        if (!inode) // before Linux 5.14
            return std::unexpected(SysError{"look for ino: in", process + "/fdinfo/" + fd, EOPNOTSUPP});
        found.push_back({fd, *inode, fieldOf(*text, "mnt_id").value_or(0)});
    }
    return found;
}

const SysResult<std::vector<Programs::Descriptor>>& Programs::descriptors(const std::string& number) {
    const auto known = descriptors_.find(number);
    return known != descriptors_.end()
               ? known->second
               : descriptors_.emplace(number, readDescriptors("/proc/" + number)).first->second;
}

SysResult<std::set<std::string>> Programs::openAmong(const std::string& number,
                                                     const std::set<std::string>& nodes) {
    const auto process = "/proc/" + number;
    const auto& open = descriptors(number);
    if (!open)
        return std::unexpected(open.error());
    std::multimap<std::uint64_t, std::string> byInode;
    for (const auto& node : nodes)
        for (const auto& path : {node, process + "/root" + node})
            if (const auto inode = sysfs_.inode(path))
                byInode.emplace(*inode, node);
    std::set<std::string> found;
    for (const auto& descriptor : *open) {
        const auto [from, to] = byInode.equal_range(descriptor.inode);
        if (from == to || !onDeviceNodes(number, descriptor.mount))
            continue;
        if (const auto still = sysfs_.read(process + "/fdinfo/" + descriptor.number, 4096);
            !still && isGone(still.error()))
            continue; // closed meanwhile, as by a process that ends: that one's mounts cannot be read either
        for (auto it = from; it != to; ++it)
            found.insert(it->second);
    }
    return found;
}

/// Another file system's file can have a node's inode number: a pipe, a socket, an eventfd, shared memory.
/// The mounts of these are the kernel's own and in no namespace; the number of a mount is the same in all.
/// A process in a chroot is told of the mounts below its root only, so its own are asked, too.
bool Programs::onDeviceNodes(const std::string& number, std::uint64_t mount) {
    const auto& tables = mountTables();
    if (!hasDeviceNodes_.contains(mount) && !ownMountsRead_.contains(number)) {
        const auto own = mountinfoOf(sysfs_, number);
        if (own)
            learnMounts(*own);
        ownMountsRead_[number] = own.has_value();
    }
    if (const auto found = hasDeviceNodes_.find(mount); found != hasDeviceNodes_.end())
        return found->second;
    return !ownMountsRead_[number] || std::ranges::any_of(tables, [](const auto& table) {
        return !table.text && !isGone(table.text.error());
    });
}

Openers Programs::openersOf(const std::set<std::string>& nodes) {
    Openers openers;
    if (nodes.empty())
        return openers;
    const auto& processes = numbers();
    if (!processes) {
        openers.unreadable.push_back(processes.error());
        return openers;
    }
    for (const auto& number : *processes) {
        const auto process = "/proc/" + number;
        auto open = links(number);
        if (open)
            std::erase_if(*open, [&](const auto& node) { return !nodes.contains(node); });
        else if (!mayListLinks(open))
            open = openAmong(number, nodes);
        if (!open && !isGone(open.error()))
            openers.unreadable.push_back(open.error());
        if (!open || open->empty())
            continue;
        unsigned pid = 0;
        std::from_chars(number.data(), number.data() + number.size(), pid);
        const auto command = commandOf(sysfs_, process);
        for (const auto& node : *open)
            openers.found.push_back({pid, command, node});
    }
    return openers;
}

void Programs::again() {
    const bool opened = !links_.empty();
    const bool mounted = mountTables_.has_value();
    const bool counted = numbers_.has_value();
    numbers_.reset();
    mountTables_.reset();
    hasDeviceNodes_.clear();
    ownMountsRead_.clear();
    links_.clear();
    descriptors_.clear();
    if (counted)
        numbers();
    if (mounted)
        mountTables();
    if (!opened || !numbers())
        return;
    for (const auto& number : *numbers())
        if (!mayListLinks(links(number)))
            descriptors(number);
}

std::string named(const std::vector<Opener>& openers) {
    std::string text;
    std::set<unsigned> told;
    for (const auto& opener : openers)
        if (told.insert(opener.pid).second)
            text += fmt::format("{}{} (pid {})", text.empty() ? "" : ", ", opener.command, opener.pid);
    return text;
}

} // namespace vfiobind
