// SPDX-License-Identifier: LGPL-2.1-or-later
// The attributes: what reading gives and what writing does (drivers/pci/pci-sysfs.c, iov.c, pci.c).
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <stdexcept>

namespace vfiobind {

using namespace faketext;

namespace {

constexpr std::array<std::string_view, 35> attributeNames{"boot_vga",
                                                          "class",
                                                          "config",
                                                          "consistent_dma_mask_bits",
                                                          "device",
                                                          "driver",
                                                          "driver_override",
                                                          "enable",
                                                          "iommu_group",
                                                          "irq",
                                                          "local_cpulist",
                                                          "modalias",
                                                          "msi_bus",
                                                          "numa_node",
                                                          "physfn",
                                                          "power_state",
                                                          "remove",
                                                          "rescan",
                                                          "reset",
                                                          "reset_method",
                                                          "resource",
                                                          "revision",
                                                          "secondary_bus_number",
                                                          "sriov_drivers_autoprobe",
                                                          "sriov_numvfs",
                                                          "sriov_offset",
                                                          "sriov_stride",
                                                          "sriov_totalvfs",
                                                          "sriov_vf_device",
                                                          "subordinate_bus_number",
                                                          "subsystem",
                                                          "subsystem_device",
                                                          "subsystem_vendor",
                                                          "uevent",
                                                          "vendor"};

std::optional<unsigned> decimal(const std::string& text) {
    unsigned value = 0;
    const std::string digits = chomp(text);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(value) : std::nullopt;
}

bool isBridge(const FakeDevice& device) {
    return *device.headerType != 0;
}

} // namespace

std::optional<FakeKernel::Node> FakeKernel::attribute(const Function& device, const std::string& name) const {
    const auto link = [](std::string target) { return Node{Node::Type::link, std::move(target), false}; };
    const Node file{Node::Type::file, "", false};
    const Node writable{Node::Type::file, "", true};
    const auto when = [](bool there, const Node& node) { return there ? std::optional(node) : std::nullopt; };
    if (name == "driver")
        return when(device.driverLink,
                    link(relativePath(device.place, "/sys/bus/pci/drivers/" + device.driver)));
    if (name == "iommu_group")
        return when(device.group.has_value(),
                    link(relativePath(device.place,
                                      fmt::format("/sys/kernel/iommu_groups/{}", device.group.value_or(0)))));
    if (name == "subsystem")
        return link(relativePath(device.place, "/sys/bus/pci"));
    if (name == "physfn")
        return when(!device.physfn.empty() && device.linked, link("../" + device.physfn));
    if (name.starts_with("virtfn")) {
        const auto index = decimal(name.substr(6));
        if (!index || *index >= device.vfs.size() || !function(device.vfs[*index])->linked)
            return std::nullopt;
        return link("../" + device.vfs[*index]);
    }
    if (name == "vfio-dev")
        return when(device.vfioIndex.has_value(), Node{Node::Type::directory, "", false});
    if (name == "secondary_bus_number" || name == "subordinate_bus_number")
        return when(isBridge(device), file);
    if (name == "boot_vga")
        return when(device.classCode >> 8 == 0x0300, file);
    if (name == "sriov_totalvfs")
        return when(device.totalVfs > 0, file);
    if (name == "sriov_offset" || name == "sriov_stride" || name == "sriov_vf_device")
        return when(device.totalVfs > 0, file);
    if (name.starts_with("sriov_"))
        return when(device.totalVfs > 0 && (name == "sriov_numvfs" || name == "sriov_drivers_autoprobe"),
                    writable);
    if (name == "reset_method" || name == "reset")
        return when(!device.resetMethods.empty(), writable);
    if (std::ranges::find(attributeNames, name) == attributeNames.end())
        return std::nullopt;
    if (name == "remove" || name == "rescan") // pci_dev_hp_attrs_are_visible: a VF comes and goes with its PF
        return when(device.physfn.empty(), writable);
    const bool canWrite = name == "driver_override" || name == "uevent" || name == "enable" ||
                          name == "numa_node" || name == "msi_bus";
    return canWrite ? writable : file;
}

void FakeKernel::deviceChildren(const Function& device, std::map<std::string, Node>& found) const {
    for (const auto name : attributeNames)
        if (const auto node = attribute(device, std::string(name)))
            found.emplace(name, *node);
    for (std::size_t i = 0; i < device.vfs.size(); ++i)
        found.emplace(fmt::format("virtfn{}", i), *attribute(device, fmt::format("virtfn{}", i)));
    if (device.vfioIndex)
        found.emplace("vfio-dev", Node{Node::Type::directory, "", false});
}

std::string FakeKernel::configSpace(const Function& device) {
    if (device.dead)
        return std::string(64, '\xff');
    std::string space(64, '\0');
    const auto put = [&](std::size_t at, unsigned long value, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes; ++i)
            space[at + i] = static_cast<char>(value >> 8 * i & 0xff);
    };
    const auto hex = [](const std::string& text, std::size_t from) {
        return std::stoul(text.substr(from, 4), nullptr, 16);
    };
    // A VF's own vendor and device read ffff (SR-IOV 1.1, 3.4.1.1); Linux knows them from the PF's
    // capability.
    put(0x00, device.physfn.empty() ? hex(device.ids, 0) : 0xffff, 2);
    put(0x02, device.physfn.empty() ? hex(device.ids, 5) : 0xffff, 2);
    put(0x04, device.driver.empty() ? 0 : 0x0406, 2); // command: memory, bus master, INTx off
    put(0x06, 0x0010, 2);                             // status: capabilities list
    put(0x09, device.classCode, 3);
    put(0x0e, *device.headerType, 1);
    if (isBridge(device)) {
        put(0x18, std::stoul(device.address.substr(device.address.rfind(':') - 2, 2), nullptr, 16), 1);
        put(0x19, device.secondaryBus.value_or(0), 1);
        put(0x1a, device.secondaryBus.value_or(0), 1);
    } else {
        put(0x2c, hex(device.subsystem, 0), 2);
        put(0x2e, hex(device.subsystem, 5), 2);
    }
    return space;
}

std::expected<std::string, int> FakeKernel::readAttribute(const Function& device,
                                                          const std::string& name) const {
    if (name == "uevent" || name == "sriov_numvfs" ||
        (name == "driver_override" && version == FakeVersion::v6_1)) {
        lockedReads_.push_back(device.place + '/' + name);
        if (device.locks > 0)
            throw Hung{device.place + '/' + name};
    }
    const auto hexOf = [](const std::string& ids, std::size_t from) { return "0x" + ids.substr(from, 4); };
    if (name == "modalias")
        return modalias(device);
    if (name == "vendor" || name == "device")
        return hexOf(device.ids, name == "vendor" ? 0 : 5);
    if (name == "subsystem_vendor" || name == "subsystem_device")
        return hexOf(device.subsystem, name == "subsystem_vendor" ? 0 : 5);
    if (name == "class")
        return fmt::format("0x{:06x}", device.classCode);
    if (name == "driver_override")
        return device.driverOverride.empty() ? unsetOverrideReads : device.driverOverride;
    if (name == "uevent")
        return chomp(ueventText(device));
    if (name == "config")
        return configSpace(device);
    if (name == "secondary_bus_number" || name == "subordinate_bus_number")
        return std::to_string(device.secondaryBus.value_or(0));
    if (name == "boot_vga")
        return device.bootVga ? "1" : "0";
    if (name == "numa_node")
        return std::to_string(device.numaNode);
    if (name == "reset_method")
        return device.enabledResets;
    if (name == "power_state")
        return device.powerState;
    if (name == "enable")
        return device.driver.empty() ? "0" : "1";
    if (name == "sriov_numvfs" || name == "sriov_totalvfs")
        return std::to_string(name == "sriov_numvfs" ? device.vfs.size() : device.totalVfs);
    if (name == "sriov_offset" || name == "sriov_stride")
        return std::to_string(name == "sriov_offset" ? device.vfOffset : device.vfStride);
    if (name == "sriov_vf_device") // %x
        return fmt::format("{:x}", std::stoul(device.vfIds.substr(5), nullptr, 16));
    if (name == "sriov_drivers_autoprobe")
        return device.vfAutoprobe ? "1" : "0";
    if (name == "resource") {
        std::string none;
        for (int i = 0; i < 13; ++i)
            none += "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
        return chomp(device.resources.empty() ? none : device.resources);
    }
    if (name == "revision")
        return "0x00";
    if (name == "irq")
        return "0";
    if (name == "msi_bus")
        return "1";
    if (name == "consistent_dma_mask_bits")
        return "64";
    if (name == "local_cpulist")
        return "0-1";
    return std::unexpected(EACCES); // remove, rescan, reset: write-only
}

std::expected<std::string, int> FakeKernel::readNode(const std::string& canonical) const {
    const std::string directory = parentOf(canonical);
    const std::string name = nameOf(canonical);
    if (const auto it = extra_.find(canonical); it != extra_.end())
        return it->second.text;
    if (const auto* device = functionAt(directory))
        return readAttribute(*device, name);
    if (canonical == "/sys/bus/pci/drivers_autoprobe")
        return driversAutoprobe_ ? "1" : "0";
    if (directory.starts_with("/sys/kernel/iommu_groups/")) {
        const auto group = decimal(nameOf(directory)).value_or(0);
        if (name == "name")
            return "vfio-noiommu";
        if (name == "type")
            return groupTypes_.contains(group) ? groupTypes_.at(group) : "DMA-FQ";
        return reservedRegions_.contains(group) ? chomp(reservedRegions_.at(group))
                                                : "0x00000000fee00000 0x00000000feefffff msi";
    }
    if (directory.starts_with("/sys/module/"))
        return name == "initstate" ? "live" : parameter(split(directory, '/')[2], name);
    if (name == "dev" && parentOf(directory) == "/sys/class/vfio")
        return vfioNode("/dev/vfio/" + nameOf(directory)).value().str();
    if (name == "dev" && nameOf(parentOf(directory)) == "vfio-dev")
        return vfioNode("/dev/vfio/devices/" + nameOf(directory)).value().str();
    if (directory.starts_with("/proc/")) {
        const auto& holder = holders_.at(std::stoi(nameOf(directory)));
        if (name == "comm")
            return holder.comm;
        if (name == "cmdline") {
            std::string words = holder.cmdline + ' ';
            std::ranges::replace(words, ' ', '\0');
            return words;
        }
        if (name == "status")
            return fmt::format("Name:\t{0}\nUid:\t{1}\t{1}\t{1}\t{1}", holder.comm, holder.uid);
        // proc_pid_stat(5): field 22 is the start time
        std::string text = fmt::format("{} ({}) S 1", holder.pid, holder.comm);
        for (int field = 5; field <= 52; ++field)
            text += field == 22 ? fmt::format(" {}", 1000 + holder.pid) : " 0";
        return text;
    }
    if (name == "modules.alias")
        return modulesAlias();
    if (directory.starts_with("/dev/vfio"))
        throw std::logic_error("somebody opened " + canonical +
                               ": a VM that starts now would fail (doc/kernel.md 8)");
    return std::unexpected(EACCES);
}

SysResult<std::string> FakeKernel::read(const std::string& path, std::size_t limit) const {
    stopIfDead();
    const auto canonical = resolve(path, true);
    if (!canonical)
        return std::unexpected(SysError{"read", path, canonical.error()});
    if (entry(parentOf(*canonical), nameOf(*canonical))->type == Node::Type::directory)
        return std::unexpected(SysError{"read", path, EISDIR});
    auto content = readNode(*canonical);
    if (!content)
        return std::unexpected(SysError{"read", path, content.error()});
    return nameOf(*canonical) == "config" ? content->substr(0, limit) : chomp(content->substr(0, limit));
}

std::string FakeKernel::modulesAlias() const {
    std::string text = "# Aliases extracted from modules themselves.\n";
    const auto part = [](const char* key, const std::optional<std::uint32_t>& value) {
        return value ? fmt::format("{}{:08X}", key, *value) : fmt::format("{}*", key);
    };
    const auto byte = [](const char* key, const FakeId& id, unsigned shift) {
        return (id.classMask >> shift & 0xff) == 0xff
                   ? fmt::format("{}{:02X}", key, id.classCode >> shift & 0xff)
                   : fmt::format("{}*", key);
    };
    const auto line = [&](const char* kind, const std::string& pattern, const std::string& module) {
        const auto id = FakeId::parse(pattern);
        text += fmt::format("alias {}:{}{}{}{}{}{}{} {}\n", kind, part("v", id.vendor), part("d", id.device),
                            part("sv", id.subsystemVendor), part("sd", id.subsystemDevice),
                            byte("bc", id, 16), byte("sc", id, 8), byte("i", id, 0), module);
    };
    for (const auto& [name, module] : modules_)
        for (const auto& one : module.drivers) {
            for (const auto& id : one.ids)
                line("pci", id, name);
            for (const auto& id : one.overrideOnlyIds)
                line("vfio_pci", id, name);
        }
    return text;
}

} // namespace vfiobind
