// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine_file.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace vfiobind {
namespace {

using nlohmann::json;

/// A misspelt key would quietly make another machine than the test means.
void knowAll(const json& object, const std::set<std::string>& keys) {
    for (const auto& [key, value] : object.items())
        if (!keys.contains(key))
            throw std::invalid_argument("unknown key '" + key + "' in " + object.dump());
}

std::optional<unsigned> optionalNumber(const json& object, const char* key) {
    const auto it = object.find(key);
    return it == object.end() || it->is_null() ? std::nullopt : std::optional(it->get<unsigned>());
}

} // namespace

FakeDriver driverFrom(const json& entry) {
    knowAll(entry, {"name", "module", "ids", "override-only-ids", "managed-dma", "ports-only", "vfio",
                    "sriov", "keeps-vfs", "built-in", "probe-error", "loaded"});
    return {.name = entry.at("name").get<std::string>(),
            .module = entry.value("module", ""),
            .ids = entry.value("ids", std::vector<std::string>{}),
            .overrideOnlyIds = entry.value("override-only-ids", std::vector<std::string>{}),
            .managedDma = entry.value("managed-dma", false),
            .portsOnly = entry.value("ports-only", false),
            .vfio = entry.value("vfio", false),
            .sriov = entry.value("sriov", false),
            .keepsVfs = entry.value("keeps-vfs", false),
            .probeError = entry.value("probe-error", 0),
            .builtIn = entry.value("built-in", false)};
}

FakeDevice deviceFrom(const json& entry) {
    knowAll(entry, {"address", "ids", "subsystem", "class", "group", "driver", "driver-override",
                    "header-type", "secondary-bus", "boot-vga", "numa-node", "reset-methods", "dead", "port",
                    "total-vfs", "vf-ids", "vf-offset", "vf-stride"});
    const auto headerType = optionalNumber(entry, "header-type");
    return {.address = entry.at("address").get<std::string>(),
            .ids = entry.at("ids").get<std::string>(),
            .subsystem = entry.value("subsystem", "0000:0000"),
            .classCode =
                static_cast<std::uint32_t>(std::stoul(entry.at("class").get<std::string>(), nullptr, 16)),
            .group = optionalNumber(entry, "group"),
            .driver = entry.value("driver", ""),
            .driverOverride = entry.value("driver-override", ""),
            .headerType = headerType ? std::optional(static_cast<std::uint8_t>(*headerType)) : std::nullopt,
            .secondaryBus = optionalNumber(entry, "secondary-bus"),
            .bootVga = entry.value("boot-vga", false),
            .numaNode = entry.value("numa-node", -1),
            .resetMethods = entry.value("reset-methods", "flr bus"),
            .dead = entry.value("dead", false),
            .port = entry.value("port", true),
            .totalVfs = entry.value("total-vfs", 0U),
            .vfIds = entry.value("vf-ids", ""),
            .vfOffset = entry.value("vf-offset", 0x10U),
            .vfStride = entry.value("vf-stride", 1U)};
}

void loadMachine(FakeKernel& kernel, const std::string& file) {
    std::ifstream stream(file);
    if (!stream)
        throw std::invalid_argument("no machine file " + file);
    const auto machine = json::parse(stream);
    knowAll(machine, {"vfio-pci", "kernel", "iommu", "drivers", "root-ports", "devices", "reserved-regions"});
    if (machine.value("kernel", "6.1") == "6.12")
        kernel.version = FakeVersion::v6_12;
    if (machine.contains("iommu"))
        kernel.setIommu(machine.at("iommu").get<std::vector<std::string>>());
    if (const auto vfio = machine.value("vfio-pci", "loaded"); vfio != "absent")
        kernel.addVfioPci(vfio == "loaded");
    for (const auto& entry : machine.value("drivers", json::array())) {
        if (entry.value("loaded", true))
            kernel.addDriver(driverFrom(entry));
        else
            kernel.addUnloadedModule({driverFrom(entry)});
    }
    for (const auto& entry : machine.value("root-ports", json::array()))
        kernel.addRootPort(entry.at("address").get<std::string>(), optionalNumber(entry, "group"),
                           optionalNumber(entry, "secondary-bus"));
    for (const auto& entry : machine.value("devices", json::array()))
        kernel.addDevice(deviceFrom(entry));
    const auto regions = machine.value("reserved-regions", json::object());
    for (const auto& [group, text] : regions.items())
        kernel.setReservedRegions(static_cast<unsigned>(std::stoul(group)), text.get<std::string>());
}

} // namespace vfiobind
