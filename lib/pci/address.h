// SPDX-License-Identifier: LGPL-2.1-or-later
/// Where a PCI function sits: domain, bus, device (slot), function.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace vfiobind {

/// A PCI function's address ("BDF") as the kernel prints it in `/sys/bus/pci/devices`:
/// `%04x:%02x:%02x.%d` (drivers/pci/probe.c, pci_setup_device). Domains can be wider than four
/// digits: VMD makes them from 10000 on (drivers/pci/controller/vmd.c).
struct Address {
    std::uint32_t domain = 0;
    std::uint8_t bus = 0;
    std::uint8_t device = 0;   ///< 0 to 31
    std::uint8_t function = 0; ///< 0 to 7

    auto operator<=>(const Address&) const = default;

    /// The kernel's spelling, `0000:01:00.0`.
    std::string str() const;

    /// The spelling of the D-Bus object path, `0000_01_00_0`.
    std::string objectName() const;

    /// Reads `[domain:]bus:device.function`; the domain is 0000 where it is left out. Digits are
    /// hexadecimal, of either case. The error is a sentence that says what would be right.
    static std::expected<Address, std::string> parse(std::string_view text);
};

} // namespace vfiobind

template <>
struct std::hash<vfiobind::Address> {
    std::size_t operator()(const vfiobind::Address& a) const noexcept {
        return std::hash<std::uint64_t>{}(std::uint64_t{a.domain} << 16 | std::uint64_t{a.bus} << 8 |
                                          std::uint64_t{a.device} << 3 | a.function);
    }
};
