// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

/// What a hostpci line hands over: a whole card, or one function of it.
struct Unit {
    const PassedGroup* group;
    const PassedFunction* function; ///< of a card its first

    bool isCard() const { return function->wholeCard && function->address.function == 0; }
    /// Without a function number it is the whole card.
    std::string path() const {
        const auto address = function->address.str();
        return isCard() ? address.substr(0, address.rfind('.')) : address;
    }
};

std::vector<Unit> unitsOf(const std::vector<PassedGroup>& groups) {
    std::vector<Unit> units;
    for (const auto& group : groups)
        for (const auto& function : group.functions) {
            const auto& address = function.address;
            const bool isIn = !units.empty() && units.back().isCard() && function.wholeCard &&
                              address.domain == units.back().function->address.domain &&
                              address.bus == units.back().function->address.bus &&
                              address.device == units.back().function->address.device;
            if (!isIn)
                units.push_back({&group, &function});
        }
    return units;
}

/// Proxmox takes a letter, then one or more letters, digits, `-` and `_` (pve-configid). Several lines in one
/// mapping are a choice, so each unit has a mapping of its own: the first of a rule's first group by the
/// rule's name, the others with their place after it.
std::string mappingName(const Unit& unit) {
    auto name = ruleOrGroup(*unit.group);
    if (name.size() < 2 || std::isalpha(static_cast<unsigned char>(name.front())) == 0)
        name = "vfio-" + name;
    if (unit.group->name == ruleOrGroup(*unit.group) && unit.function == &unit.group->functions.front())
        return name;
    auto place = unit.path();
    std::ranges::replace_if(place, [](char c) { return c == ':' || c == '.'; }, '-');
    return name + '-' + place;
}

/// A device that is not as it says here is refused when the VM starts, so all that the device has must stand
/// here.
std::string mapLine(const Unit& unit, const std::string& host) {
    const auto& function = *unit.function;
    return fmt::format("\tmap node={},path={},id={:04x}:{:04x},subsystem-id={:04x}:{:04x},iommugroup={}\n",
                       host, unit.path(), function.vendor, function.device, function.subsystemVendor,
                       function.subsystemDevice, unit.group->number);
}

} // namespace

ExportResult exportProxmox(const ExportInput& input) {
    if (input.host.empty())
        return std::unexpected(
            "Proxmox VE wants the node's name, and only its address is known here; give --host the name, or "
            "run the command on the node");
    std::string mappings = "# /etc/pve/mapping/pci.cfg\n";
    std::string lines = "# The VM's own file, with machine: q35\n";
    unsigned number = 0;
    for (const auto& unit : unitsOf(input.groups)) {
        const auto name = mappingName(unit);
        mappings += name + '\n' + mapLine(unit, input.host) + '\n';
        lines += fmt::format("hostpci{}: mapping={},pcie=1,driver=keep\n", number++, name);
    }
    Exported result;
    result.file = mappings + lines;
    return result;
}

} // namespace vfiobind::ctl
