// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/device_nodes.h"

#include "guard/look.h"
#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace vfiobind {
namespace {

/// `/sys/dev/char/226:0`
std::string numberPath(const DeviceNumber& number) {
    return fmt::format("/sys/dev/{}/{}", number.block ? "block" : "char", number.str());
}

class NodeSearch {
public:
    NodeSearch(const Sysfs& sysfs, const Address& device) : sysfs_(sysfs), device_(device) {}

    SysResult<void> lookThrough(bool block) {
        const auto links = sysfs_.links(block ? "/sys/dev/block" : "/sys/dev/char");
        if (!links)
            return isGone(links.error()) ? SysResult<void>() : std::unexpected(links.error());
        for (const auto& [text, place] : *links) {
            const auto number = parseDeviceNumber(text, block);
            if (!number || (!isBelow(place, device_) && !isOfItsSubsystem(place)))
                continue;
            const auto kind = sysfs_.link(numberPath(*number) + "/subsystem");
            if (!kind && isGone(kind.error()))
                continue; // it went meanwhile
            if (!kind)
                return std::unexpected(kind.error());
            found.push_back({*number, std::string(baseName(*kind)), place});
        }
        return {};
    }

    /// A card of NVIDIA's own driver: its node bears a number that only /proc tells.
    SysResult<void> addNvidia() {
        constexpr unsigned nvidias = 195; // Documentation/admin-guide/devices.txt
        const auto text =
            readIfThere(sysfs_, fmt::format("/proc/driver/nvidia/gpus/{}/information", device_.str()), 4096);
        if (!text)
            return std::unexpected(text.error());
        for (const auto line : split(*text, '\n')) {
            if (!line.starts_with("Device Minor:"))
                continue;
            const auto at = line.find_first_of("0123456789");
            const auto minor = at == std::string_view::npos ? "" : line.substr(at);
            if (const auto number = parseDeviceNumber(fmt::format("{}:{}", nvidias, minor), false))
                found.push_back({*number, "nvidia", fmt::format("nvidia{}", minor)});
        }
        return {};
    }

    std::vector<DeviceNode> found;

private:
    /// An NVMe disk with several paths is its subsystem's, whose folder has a link to each controller.
    bool isOfItsSubsystem(std::string_view place) {
        constexpr std::string_view folder = "/virtual/nvme-subsystem/";
        const auto at = place.find(folder);
        if (at == std::string_view::npos)
            return false;
        const auto rest = place.substr(at + folder.size());
        const std::string name(rest.substr(0, rest.find('/')));
        const auto known = subsystems_.find(name);
        if (known != subsystems_.end())
            return known->second;
        const auto controllers = sysfs_.links("/sys/class/nvme-subsystem/" + name);
        return subsystems_[name] = !controllers || std::ranges::any_of(*controllers, [&](const auto& one) {
                   return isBelow(one.second, device_);
               });
    }

    const Sysfs& sysfs_;
    Address device_;
    std::map<std::string, bool> subsystems_; ///< by name: whether it is the function's, or cannot be told
};

} // namespace

SysResult<std::vector<DeviceNode>> nodesBelow(const Sysfs& sysfs, const Address& device) {
    NodeSearch search(sysfs, device);
    for (const bool block : {true, false})
        if (const auto seen = search.lookThrough(block); !seen)
            return std::unexpected(seen.error());
    if (const auto seen = search.addNvidia(); !seen)
        return std::unexpected(seen.error());
    std::ranges::sort(search.found, {}, &DeviceNode::number);
    return std::move(search.found);
}

std::string nodeName(const Sysfs& sysfs, const DeviceNode& node) {
    if (node.kind == "nvidia")
        return "/dev/" + node.place;
    constexpr std::string_view key = "DEVNAME=";
    const auto uevent = sysfs.read(numberPath(node.number) + "/uevent", 4096).value_or(std::string());
    for (const auto line : split(uevent, '\n'))
        if (line.starts_with(key) && line.size() > key.size())
            return "/dev/" + printable(line.substr(key.size()));
    return "device " + node.number.str();
}

} // namespace vfiobind
