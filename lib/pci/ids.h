// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a PCI function says it is: vendor, device, subsystem and class.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace vfiobind {

/// The identity of a PCI function (PCI Local Bus Specification 3.0, 6.2.1 and 6.2.4).
struct Ids {
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint16_t subsystemVendor = 0;
    std::uint16_t subsystemDevice = 0;
    std::uint32_t classCode = 0; ///< 24 bits: base class, subclass, programming interface

    bool operator==(const Ids&) const = default;

    /// Base class and subclass, the four digits that lspci prints: 0x0300 for a VGA controller.
    std::uint16_t classId() const { return static_cast<std::uint16_t>(classCode >> 8); }
    std::uint8_t baseClass() const { return static_cast<std::uint8_t>(classCode >> 16); }

    /// `10de:1284`, as lspci -n prints it.
    std::string str() const;

    /// Reads a PCI modalias, `pci:v000010DEd00001284sv...sd...bc03sc00i00` (drivers/pci/pci-sysfs.c,
    /// modalias_show). It is the one file that has all ids and takes no lock.
    static std::expected<Ids, std::string> fromModalias(std::string_view modalias);

    /// The inverse of fromModalias, in the kernel's spelling.
    std::string modalias() const;
};

namespace pciclass {
inline constexpr std::uint8_t storage = 0x01;
inline constexpr std::uint8_t network = 0x02;
inline constexpr std::uint8_t display = 0x03;
inline constexpr std::uint8_t bridge = 0x06;
inline constexpr std::uint16_t hostBridge = 0x0600;
inline constexpr std::uint16_t usb = 0x0c03;
} // namespace pciclass

/// As the PCI-SIG has given them out (pci.ids).
namespace pcivendor {
inline constexpr std::uint16_t nvidia = 0x10de;
} // namespace pcivendor

} // namespace vfiobind
