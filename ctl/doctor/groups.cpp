// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doctor/groups.h"

#include "json.h"
#include "lines.h"
#include "machine_description.h"
#include "names/names.h"
#include "output.h"
#include "pci/capabilities.h"
#include "render.h"
#include "sysfs/real_sysfs.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sstream>

namespace vfiobind::ctl {
namespace {

ListedDevice listed(const Sysfs& sysfs, const Device& device, const DeviceNames& names) {
    ListedDevice line{.device = device, .kind = names.kind(device.ids), .name = names.name(device.ids)};
    std::istringstream methods(sysfs.read(device.sysfsPath() + "/reset_method", 256).value_or(std::string{}));
    for (std::string method; methods >> method;)
        line.resetMethods.push_back(method);
    constexpr std::size_t standard = 256;
    if (const auto config = sysfs.read(device.sysfsPath() + "/config", standard))
        if (const auto capabilities = readCapabilities(*config)) {
            line.msi = capabilities->msi();
            line.msix = capabilities->msix();
        }
    return line;
}

char mark(const std::optional<bool>& there, char letter) {
    return !there ? '?' : *there ? letter : '-';
}

void addDevice(Lines& lines, const ListedDevice& line, unsigned driverColumns) {
    const auto& device = line.device;
    const auto driver = device.driver.empty() ? std::string("-") : device.driver;
    const auto head = fmt::format(
        "  {} {}{}{} [{}] {} ", shortAddress(device.address.str()), line.resetMethods.empty() ? '-' : 'R',
        mark(line.msi, 'M'), mark(line.msix, 'X'), device.ids.str(), pad(printable(driver), driverColumns));
    const auto kind = line.kind.empty() ? fmt::format("[{:04x}]", device.ids.classId()) : line.kind;
    const auto text = printable(line.name.empty() ? kind : kind + ": " + line.name);
    lines.raw(head + cut(text, lines.left(displayWidth(head)), lines.style().unicode));
}

void addDevices(Lines& lines, const std::vector<ListedDevice>& devices) {
    unsigned columns = 1;
    for (const auto& line : devices)
        columns = std::max(columns, displayWidth(printable(line.device.driver)));
    for (const auto& line : devices)
        addDevice(lines, line, columns);
}

nlohmann::ordered_json toJson(const ListedDevice& line) {
    const auto flag = [](const std::optional<bool>& there) {
        return there ? nlohmann::ordered_json(*there) : nlohmann::ordered_json(nullptr);
    };
    return {{"address", line.device.address.str()},
            {"id", line.device.ids.str()},
            {"subsystem",
             fmt::format("{:04x}:{:04x}", line.device.ids.subsystemVendor, line.device.ids.subsystemDevice)},
            {"class", fmt::format("{:06x}", line.device.ids.classCode)},
            {"kind", line.kind},
            {"name", line.name},
            {"driver", line.device.driver},
            {"bridge", line.device.bridge},
            {"path", line.device.path},
            {"serial", line.device.serial},
            {"physical-function", line.device.physicalFunction ? line.device.physicalFunction->str() : ""},
            {"reset-methods", line.resetMethods},
            {"msi", flag(line.msi)},
            {"msi-x", flag(line.msix)}};
}

nlohmann::ordered_json toJson(const std::vector<ListedDevice>& devices) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& line : devices)
        list.push_back(toJson(line));
    return list;
}

} // namespace

SysResult<GroupListing> listGroups(const Sysfs& sysfs, const DeviceNames& names) {
    const auto topology = Topology::read(sysfs);
    if (!topology)
        return std::unexpected(topology.error());
    GroupListing listing;
    for (const auto& [number, group] : topology->groups()) {
        const auto type = sysfs.read(fmt::format("/sys/kernel/iommu_groups/{}/type", number), 64);
        listing.groups.push_back({.number = number, .type = type.value_or(std::string{})});
        for (const auto& address : group.members)
            if (const auto* device = topology->find(address))
                listing.groups.back().devices.push_back(listed(sysfs, *device, names));
    }
    for (const auto& [address, device] : topology->devices())
        if (!device.group)
            listing.groupless.push_back(listed(sysfs, device, names));
    return listing;
}

std::string renderGroups(const GroupListing& listing, const Style& style) {
    Lines lines(style);
    bool hidden = false;
    for (const auto& group : listing.groups) {
        lines.raw(style.paint(Colour::bold, fmt::format("group {}", group.number)) +
                  (group.type.empty() ? "" : " " + printable(group.type)));
        addDevices(lines, group.devices);
        hidden = hidden || std::ranges::any_of(group.devices, [](const auto& line) { return !line.msi; });
    }
    if (!listing.groupless.empty()) {
        lines.raw(style.paint(Colour::bold, "in no group"));
        addDevices(lines, listing.groupless);
    }
    lines.raw("");
    if (listing.groups.empty())
        lines.sentence(0, "There are no IOMMU groups: 'vfio-bindctl doctor' says why.", Colour::yellow);
    else
        lines.sentence(0, "R can be reset, M has MSI, X has MSI-X.");
    if (hidden)
        lines.sentence(0, "? only root can tell.");
    return lines.take();
}

std::string groupsJson(const GroupListing& listing) {
    auto groups = nlohmann::ordered_json::array();
    for (const auto& group : listing.groups)
        groups.push_back(
            {{"number", group.number}, {"type", group.type}, {"devices", toJson(group.devices)}});
    const auto& host = listing.host;
    return dumpLine({{"version", machineVersion},
                     {"host",
                      {{"name", host.host.value_or("")},
                       {"board", host.board.value_or("")},
                       {"product", host.product.value_or("")},
                       {"virtualization", host.virtualization.value_or("")}}},
                     {"groups", groups},
                     {"groupless", toJson(listing.groupless)}});
}

ExitCode runGroups(const Options& options) {
    const RealSysfs sysfs;
    const Names hwdb;
    if (!hwdb.error().empty())
        complain("no names of devices: " + hwdb.error());
    auto listing = listGroups(sysfs, {.kind = [&](const Ids& ids) { return hwdb.kind(ids); },
                                      .name = [&](const Ids& ids) { return hwdb.name(ids); }});
    if (!listing) {
        if (options.json)
            printLine(errorJson("", listing.error().str()));
        complain(listing.error().str());
        return ExitCode::failed;
    }
    listing->host = readHostFacts();
    if (options.json)
        printLine(groupsJson(*listing));
    else
        print(renderGroups(*listing, Style::forStdout()));
    return ExitCode::done;
}

} // namespace vfiobind::ctl
