// SPDX-License-Identifier: LGPL-2.1-or-later
// Device nodes: their numbers, who has them open, and what is claimed.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <cerrno>
#include <fmt/format.h>

namespace vfiobind {

using namespace faketext;

namespace {

std::string statusOf(const FakeOpen& open) {
    return fmt::format("Name:\t{0}\nUid:\t{1}\t{1}\t{1}\t{1}\n", open.program, open.uid);
}

} // namespace

std::string FakeOpen::path() const {
    return thread == 0 ? fmt::format("/proc/{}/fd/{}", pid, fd)
                       : fmt::format("/proc/{}/task/{}/fd/{}", pid, thread, fd);
}

void FakeKernel::addNode(const FakeNode& node) {
    const auto place = "/sys/devices/" + node.place;
    const auto name = nameOf(node.place);
    const bool block = node.subsystem == "block";
    const auto category = node.category.empty() ? "class" : node.category;
    putFile(place + "/dev", node.number + '\n');
    putFile(place + "/uevent", "DEVNAME=" + node.name + '\n');
    putLink(place + "/subsystem", fmt::format("/sys/{}/{}", category, node.subsystem));
    putLink(fmt::format("/sys/dev/{}/{}", block ? "block" : "char", node.number),
            "../../devices/" + node.place);
    if (node.category.empty())
        putLink(fmt::format("/sys/class/{}/{}", node.subsystem, name), "../../devices/" + node.place);
    if (node.name.empty())
        return;
    putFile("/dev/" + node.name, "");
    nodes_["/dev/" + node.name] = parseDeviceNumber(node.number, block).value();
}

void FakeKernel::openNode(const FakeOpen& open) {
    const auto process = fmt::format("/proc/{}", open.pid);
    putFile(process + "/comm", open.program + '\n');
    putFile(process + "/status", statusOf(open));
    const auto thread = fmt::format("{}/task/{}", process, open.thread);
    if (open.thread == 0) {
        putLink(process + "/exe", "/usr/bin/" + open.program);
    } else {
        putDirectory(fmt::format("{}/task/{}", process, open.pid));
        putLink(thread + "/exe", "/usr/bin/" + open.program);
        putFile(thread + "/comm", open.program + '\n');
        putFile(thread + "/status", statusOf(open));
    }
    putLink(open.path(), open.shownAs);
    nodes_[open.path()] = parseDeviceNumber(open.number, open.block).value();
}

/// The numbers of VFIO's nodes: the kernel gives its majors out as they come.
std::optional<DeviceNumber> FakeKernel::vfioNode(const std::string& path) {
    const auto number = [&](unsigned major, std::string_view prefix) {
        return parseDeviceNumber(fmt::format("{}:{}", major, path.substr(prefix.size())), false);
    };
    for (const auto& [prefix, major] : {std::pair<std::string_view, unsigned>{"/dev/vfio/devices/vfio", 511},
                                        {"/dev/vfio/noiommu-", 243},
                                        {"/dev/vfio/", 243}})
        if (path.starts_with(prefix))
            return number(major, prefix);
    return std::nullopt;
}

SysResult<std::size_t> FakeKernel::countedFolders(const std::string& path) const {
    const auto seen = folders(path);
    if (!seen)
        return std::unexpected(seen.error());
    const auto hidden = hiddenFolders_.find(resolve(path, true).value());
    return seen->size() + (hidden == hiddenFolders_.end() ? 0 : hidden->second);
}

SysResult<std::optional<DeviceNumber>> FakeKernel::node(const std::string& path) const {
    stopIfDead();
    const auto itself = resolve(path, false);
    if (!itself)
        return std::unexpected(SysError{"stat", path, itself.error()});
    const auto place = resolve(path, true);
    // Links of descriptors lead to the file that is open, whatever they show.
    const bool magic = itself->starts_with("/proc/") && itself->contains("/fd/");
    if (!place && !magic)
        return std::unexpected(SysError{"stat", path, place.error()});
    for (const auto& one : {*itself, place.value_or(*itself)})
        if (const auto found = nodes_.find(one); found != nodes_.end())
            return found->second;
    return place ? vfioNode(*place) : std::nullopt;
}

SysResult<void> FakeKernel::openExclusively(const std::string& path, const DeviceNumber& number) const {
    const auto there = node(path);
    if (!there)
        return std::unexpected(there.error());
    if (*there != number)
        return std::unexpected(SysError{"open", path, ENXIO});
    if (const auto refused = exclusive_.find(number); refused != exclusive_.end())
        return std::unexpected(SysError{"open", path, refused->second});
    exclusiveOpens_.push_back(path);
    return {};
}

} // namespace vfiobind
