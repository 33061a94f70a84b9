// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a PCI function can do, as its configuration space says.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

namespace vfiobind {

/// The kind of a PCI Express function (PCI Express Base Specification, 7.5.3.2, Device/Port Type).
enum class PortType { endpoint, rootPort, upstream, downstream, toConventional, other };

struct Capabilities {
    std::set<std::uint8_t> ids;   ///< 0x05 MSI, 0x11 MSI-X, 0x10 PCI Express, ...
    std::optional<PortType> port; ///< none for a conventional function
    bool extendedRead = false;    ///< whether the part from byte 256 on was there to be read
    std::optional<std::uint16_t>
        acs; ///< the control register of Access Control Services, where there are any

    bool msi() const { return ids.contains(0x05); }
    bool msix() const { return ids.contains(0x11); }
    /// Whether all that isolates the devices behind a port is switched on: source validation, request and
    /// completion redirect, upstream forwarding (REQ_ACS_FLAGS in drivers/iommu/iommu.c).
    bool isolates() const;
};

/// From the bytes of `/sys/bus/pci/devices/*/config`. None where they are too few to tell: without
/// CAP_SYS_ADMIN the kernel gives 64 (pci_read_config in drivers/pci/pci-sysfs.c).
std::optional<Capabilities> readCapabilities(std::string_view config);

} // namespace vfiobind
