// SPDX-License-Identifier: LGPL-2.1-or-later
/// The serial number that a PCI Express device can have: eight bytes, the same for all functions of a card.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace vfiobind {

/// Reads eight pairs of hexadecimal digits with `-` between them, as lspci(8) and sysfs's `serial_number`
/// print them, and gives them back in lower case. The error is a sentence that says what would be right.
std::expected<std::string, std::string> parseSerial(std::string_view text);

/// From the bytes of `/sys/bus/pci/devices/*/config`: extended capability 0x0003 (PCI Express Base
/// Specification, 7.9.3). None where the device has none, or where the bytes end before the extended part:
/// the kernel gives that to CAP_SYS_ADMIN only (pci_read_config in drivers/pci/pci-sysfs.c).
std::optional<std::string> serialFromConfig(std::string_view config);

} // namespace vfiobind
