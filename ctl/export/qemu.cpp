// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

#include <fmt/format.h>
#include <utility>

namespace vfiobind::ctl {
namespace {

/// A slot of the guest: its functions by their numbers there.
using Slot = std::vector<std::pair<unsigned, const PassedFunction*>>;

bool sameCard(const PassedFunction& one, const PassedFunction& other) {
    return !one.virtualFunction && !other.virtualFunction && one.address.domain == other.address.domain &&
           one.address.bus == other.address.bus && one.address.device == other.address.device;
}

/// A slot for each card of the host, with its function numbers; a virtual function is a card of its own to
/// the guest.
std::vector<Slot> slotsOf(const PassedGroup& group) {
    std::vector<Slot> slots;
    for (const auto& function : group.functions) {
        if (slots.empty() || !sameCard(*slots.back().front().second, function))
            slots.emplace_back();
        slots.back().emplace_back(function.address.function, &function);
    }
    // A guest looks at the other functions of a slot only if there is a function 0.
    for (auto& slot : slots)
        slot.front().first = 0;
    return slots;
}

/// The pair must be one of its kind in the VM. From 1 on, since 0 is what a port has that is told nothing;
/// a chassis has eight bits, and a server can have more groups.
std::pair<unsigned, unsigned> chassisAndSlot(unsigned group, unsigned index) {
    constexpr unsigned chassisNumbers = 256;
    constexpr unsigned slotsOfABus = 32;
    return {group % chassisNumbers, group / chassisNumbers * slotsOfABus + index};
}

} // namespace

ExportResult exportQemu(const ExportInput& input) {
    Exported result;
    if (input.iommufd)
        result.arguments = {"-object", "iommufd,id=iommufd0"};
    const auto add = [&](std::string device) {
        result.arguments.emplace_back("-device");
        result.arguments.push_back(std::move(device));
    };
    for (const auto& group : input.groups) {
        unsigned index = 0;
        for (const auto& slot : slotsOf(group)) {
            const auto port = fmt::format("vfio{}-{}", group.number, ++index);
            const auto [chassis, number] = chassisAndSlot(group.number, index);
            add(fmt::format("pcie-root-port,id={},bus=pcie.0,chassis={},slot={}", port, chassis, number));
            for (const auto& [function, device] : slot)
                add(fmt::format("vfio-pci,host={}{},bus={},addr=00.{}{}", device->address.str(),
                                input.iommufd ? ",iommufd=iommufd0" : "", port, function,
                                function == 0 && slot.size() > 1 ? ",multifunction=on" : ""));
        }
    }
    if (input.iommufd)
        result.notes.emplace_back("QEMU has iommufd since release 9.0");
    return result;
}

} // namespace vfiobind::ctl
