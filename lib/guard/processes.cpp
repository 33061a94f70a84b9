// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/processes.h"

#include "guard/look.h"
#include "pci/text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <utility>

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
    return printable(name.substr(0, name.find(',')));
}

unsigned numberOf(std::string_view text) {
    unsigned number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// The numbers after `Uid:` of status: real, effective, saved, of the file system (proc_pid_status(5)).
std::vector<unsigned> usersOf(const Sysfs& sysfs, const std::string& process) {
    const auto status = sysfs.read(process + "/status", 4096).value_or(std::string());
    std::vector<unsigned> users;
    for (const auto line : split(status, '\n'))
        if (line.starts_with("Uid:\t"))
            for (const auto word : split(line.substr(5), '\t'))
                users.push_back(numberOf(word));
    return users;
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

bool hasProgram(const Sysfs& sysfs, const std::string& process) {
    const auto program = sysfs.link(process + "/exe");
    return program || !isGone(program.error());
}

/// The control group as systemd's hierarchy has it, `/system.slice/systemd-udevd.service/udev`; empty where
/// there is none (cgroups(7), /proc/PID/cgroup).
SysResult<std::string> systemdGroup(const Sysfs& sysfs, unsigned pid) {
    const auto text = readIfThere(sysfs, fmt::format("/proc/{}/cgroup", pid));
    if (!text)
        return std::unexpected(text.error());
    for (const auto line : split(*text, '\n'))
        for (const std::string_view hierarchy : {":name=systemd:", "0::"})
            if (const auto at = line.find(hierarchy); at != std::string_view::npos)
                if (const auto path = line.substr(at + hierarchy.size()); path != "/")
                    return std::string(path);
    return std::string{};
}

std::string withPid(const std::string& name, const Opener& opener) {
    return fmt::format("{} (pid {})", name, opener.pid);
}

} // namespace

bool Programs::isKernels(const std::string& number) const {
    const auto process = "/proc/" + number;
    if (hasProgram(sysfs_, process))
        return false;
    const auto threads = sysfs_.countedFolders(process + "/task");
    return !threads || *threads <= 1;
}

/// `812`, or `812/task/815` where the first thread has ended: it tells nothing any more.
std::string Programs::folderOf(const std::string& number) const {
    if (hasProgram(sysfs_, "/proc/" + number))
        return number;
    const auto threads = sysfs_.list("/proc/" + number + "/task");
    for (const auto& thread : threads.value_or(std::vector<std::string>{}))
        if (const auto folder = number + "/task/" + thread; hasProgram(sysfs_, "/proc/" + folder))
            return folder;
    return number;
}

const SysResult<std::vector<std::string>>& Programs::numbers() {
    if (!numbers_) {
        numbers_ = listIfThere(sysfs_, "/proc");
        if (*numbers_)
            std::erase_if(**numbers_, [this](const auto& name) {
                return name.find_first_not_of("0123456789") != std::string::npos || isKernels(name);
            });
    }
    return *numbers_;
}

const std::vector<MountTable>& Programs::mountTables() {
    if (mountTables_)
        return *mountTables_;
    mountTables_.emplace();
    const auto hosts = sysfs_.link("/proc/1/ns/mnt");
    std::vector<std::string> processes{"1"};
    // A sandbox has mounts of its own.
    if (const auto own = sysfs_.link("/proc/self/ns/mnt"); !hosts || !own || *own == *hosts)
        processes.emplace_back("self");
    const auto inHosts = processes.size();
    if (const auto& all = numbers())
        std::ranges::remove_copy(*all, std::back_inserter(processes), "1");
    std::set<std::string> seen;
    for (std::size_t i = 0; i < processes.size(); ++i) {
        const bool isHosts = i < inHosts;
        const auto process = isHosts ? processes[i] : folderOf(processes[i]);
        const auto space = sysfs_.link("/proc/" + process + "/ns/mnt");
        if (space && seen.contains(*space))
            continue;
        auto text = mountinfoOf(sysfs_, process);
        const bool gone = !text && isGone(text.error());
        if (gone && !isHosts)
            continue;
        if (space && !gone) // who ended can have left others in its namespace
            seen.insert(*space);
        mountTables_->push_back({processes[i], isHosts, space.has_value() || isHosts, std::move(text)});
    }
    return *mountTables_;
}

/// By the tables of all threads: some programs give threads one of their own (unshare(2), CLONE_FILES), and
/// one that has ended has none.
SysResult<std::set<DeviceNumber>> Programs::openIn(const std::string& number) const {
    const auto process = "/proc/" + number;
    const auto own = sysfs_.nodes(process + "/fd");
    const auto count = sysfs_.countedFolders(process + "/task");
    const bool alone = count && *count <= 1;
    if (!own && (alone || !isGone(own.error())))
        return std::unexpected(own.error());
    std::set<DeviceNumber> open;
    if (own)
        open.insert(own->begin(), own->end());
    if (alone)
        return open;
    const auto threads = listIfThere(sysfs_, process + "/task");
    if (!threads)
        return std::unexpected(threads.error());
    std::vector<unsigned> owners{numberOf(number)}; // one of each table
    for (const auto& thread : *threads) {
        const auto id = numberOf(thread);
        if (std::ranges::any_of(
                owners, [&](unsigned other) { return id == other || sysfs_.shareDescriptors(other, id); }))
            continue;
        owners.push_back(id);
        const auto more = sysfs_.nodes(fmt::format("{}/task/{}/fd", process, thread));
        if (!more && !isGone(more.error()))
            return std::unexpected(more.error());
        if (more)
            open.insert(more->begin(), more->end());
    }
    return open;
}

const Programs::OpenDevices& Programs::openDevices() {
    if (open_)
        return *open_;
    open_.emplace();
    const auto& processes = numbers();
    if (!processes) {
        open_->unreadable.push_back(processes.error());
        return *open_;
    }
    for (const auto& number : *processes) {
        const auto open = openIn(number);
        if (!open && !isGone(open.error()))
            open_->unreadable.push_back(open.error());
        if (open)
            for (const auto& device : *open)
                open_->processes[device].push_back(number);
    }
    return *open_;
}

Opener Programs::openerFrom(const std::string& number, const DeviceNumber& device) const {
    const auto process = "/proc/" + folderOf(number);
    const auto comm = sysfs_.read(process + "/comm", 64);
    Opener opener{.pid = numberOf(number),
                  .uid = userOf(number),
                  .program = comm ? printable(*comm) : "?",
                  .device = device};
    const auto machine = virtualMachineName(arguments(sysfs_, process));
    opener.command = machine.empty() ? opener.program : fmt::format("{} (VM {})", opener.program, machine);
    return opener;
}

Openers Programs::openersOf(const std::set<DeviceNumber>& devices) {
    Openers openers;
    if (devices.empty())
        return openers;
    const auto& open = openDevices();
    openers.unreadable = open.unreadable;
    for (const auto& device : devices)
        if (const auto found = open.processes.find(device); found != open.processes.end())
            for (const auto& number : found->second)
                openers.found.push_back(openerFrom(number, device));
    std::ranges::sort(openers.found, {}, [](const Opener& one) { return std::pair(one.pid, one.device); });
    return openers;
}

void Programs::again() {
    const bool opened = open_.has_value();
    const bool mounted = mountTables_.has_value();
    const bool counted = numbers_.has_value();
    numbers_.reset();
    mountTables_.reset();
    open_.reset();
    if (counted)
        numbers();
    if (mounted)
        mountTables();
    if (opened)
        openDevices();
}

unsigned Programs::userOf(const std::string& number) const {
    const auto users = usersOf(sysfs_, "/proc/" + folderOf(number));
    return users.empty() ? 0 : users.front();
}

std::string named(const std::vector<Opener>& openers) {
    std::string text;
    std::set<unsigned> told;
    for (const auto& opener : openers)
        if (told.insert(opener.pid).second)
            text += (text.empty() ? "" : ", ") + withPid(opener.program, opener);
    return text;
}

std::vector<Detail> detailsOf(const std::vector<Opener>& openers) {
    std::vector<Detail> details;
    std::set<unsigned> told;
    for (const auto& opener : openers)
        if (opener.command != opener.program && told.insert(opener.pid).second)
            details.push_back({opener.uid, withPid(opener.program, opener), withPid(opener.command, opener)});
    return details;
}

bool isOfService(const Sysfs& sysfs, unsigned pid, std::string_view service) {
    const auto group = systemdGroup(sysfs, pid);
    if (!group)
        return false;
    if (!group->empty()) {
        const auto unit = fmt::format("/system.slice/{}.service", service);
        return *group == unit || group->starts_with(unit + '/');
    }
    const auto users = usersOf(sysfs, fmt::format("/proc/{}", pid));
    const auto program = sysfs.link(fmt::format("/proc/{}/exe", pid));
    // systemd-udevd is a name of udevadm's (systemd-udevd(8)).
    return program && !users.empty() && std::ranges::all_of(users, [](unsigned user) { return user == 0; }) &&
           (baseName(*program) == service || (service == "systemd-udevd" && baseName(*program) == "udevadm"));
}

} // namespace vfiobind
