// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine_description.h"

#include "pci/serial.h"
#include "pci/text.h"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace vfiobind::ctl {
namespace {

using nlohmann::json;

constexpr unsigned classDigits = 6;

template <typename T>
T orThrow(std::expected<T, std::string> parsed) {
    if (!parsed)
        throw std::invalid_argument(parsed.error());
    return std::move(*parsed);
}

std::string textOf(const json& entry, const char* key) {
    return entry.contains(key) ? entry.at(key).get<std::string>() : std::string{};
}

/// `10de:1284`
std::pair<std::uint16_t, std::uint16_t> idOf(const std::string& text) {
    const auto pattern = orThrow(SubsystemPattern::parse(text));
    if (!pattern.vendor || !pattern.device)
        throw std::invalid_argument(
            fmt::format("{} is no id: write vendor and device, as in 10de:1284", quote(text)));
    return {*pattern.vendor, *pattern.device};
}

Ids idsOf(const json& entry) {
    Ids ids;
    std::tie(ids.vendor, ids.device) = idOf(entry.at("id").get<std::string>());
    if (const auto subsystem = textOf(entry, "subsystem"); !subsystem.empty())
        std::tie(ids.subsystemVendor, ids.subsystemDevice) = idOf(subsystem);
    const auto text = entry.at("class").get<std::string>();
    const auto value = parseHex<std::uint32_t>(text, classDigits, classDigits);
    if (!value)
        throw std::invalid_argument(
            fmt::format("{} is no class: write six hexadecimal digits, as in 030000", quote(text)));
    ids.classCode = *value;
    return ids;
}

Device deviceOf(const json& entry, std::optional<unsigned> group) {
    Device device;
    device.address = orThrow(Address::parse(entry.at("address").get<std::string>()));
    device.ids = idsOf(entry);
    device.group = group;
    device.driver = textOf(entry, "driver");
    device.vfioDevice = !textOf(entry, "vfio-device").empty();
    device.bridge = entry.contains("bridge") && entry.at("bridge").get<bool>();
    device.path = textOf(entry, "path");
    if (const auto serial = textOf(entry, "serial"); !serial.empty())
        device.serial = orThrow(parseSerial(serial));
    if (const auto physical = textOf(entry, "physical-function"); !physical.empty())
        device.physicalFunction = orThrow(Address::parse(physical));
    return device;
}

HostFacts factsOf(const json& machine) {
    HostFacts facts;
    if (!machine.contains("host"))
        return facts;
    const auto& host = machine.at("host");
    const auto take = [&](const char* key, std::optional<std::string>& fact) {
        if (auto text = textOf(host, key); !text.empty())
            fact = std::move(text);
    };
    take("name", facts.host);
    take("board", facts.board);
    take("product", facts.product);
    take("virtualization", facts.virtualization);
    return facts;
}

} // namespace

std::expected<MachineDescription, std::string> readMachine(std::string_view text) {
    try {
        const auto machine = json::parse(text);
        const auto version = machine.at("version").get<int>();
        if (version != machineVersion)
            return std::unexpected(fmt::format(
                "the description has version {}, and this program knows version {}: take one that "
                "`vfio-bindctl groups --json` of this version has written",
                version, machineVersion));
        std::vector<Device> devices;
        for (const auto& group : machine.at("groups"))
            for (const auto& device : group.at("devices"))
                devices.push_back(deviceOf(device, group.at("number").get<unsigned>()));
        for (const auto& device : machine.at("groupless"))
            devices.push_back(deviceOf(device, std::nullopt));
        return MachineDescription{.topology = Topology::of(std::move(devices)), .facts = factsOf(machine)};
    } catch (const std::exception& error) {
        return std::unexpected(
            fmt::format("this describes no machine: {}; `vfio-bindctl groups --json` writes "
                        "such a file",
                        printable(error.what())));
    }
}

} // namespace vfiobind::ctl
