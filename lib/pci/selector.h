// SPDX-License-Identifier: LGPL-2.1-or-later
/// How a configuration or a bus request names devices.
#pragma once

#include "pci/address.h"
#include "pci/ids.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace vfiobind {

/// `[vendor]:[device][:[class][:[prog-if]]]` as `lspci -d` (lspci(8)) and OpenNebula's PCI filter have it; an
/// empty part or `*` is any, so `:::02` is programming interface 02 of whatever. Vendor and device are four
/// hexadecimal digits. The class is four, of which `x` is any digit (`03xx`), or two, which are the base
/// class (`03`; lspci would pad them to class 0003, which nothing has). A pattern that names every device is
/// refused.
struct IdPattern {
    std::optional<std::uint16_t> vendor;
    std::optional<std::uint16_t> device;
    std::optional<std::uint16_t> classValue; ///< compared under classMask
    std::uint16_t classMask = 0xffff;        ///< 0xff00 for `03` and `03xx`; a digit is compared or not
    std::optional<std::uint8_t> progIf;

    bool operator==(const IdPattern&) const = default;
    bool matches(const Ids& ids) const;
    /// In the spelling that parse() reads.
    std::string str() const;
    static std::expected<IdPattern, std::string> parse(std::string_view text);
};

/// `vendor:device` of the subsystem; an empty part or `*` is any.
struct SubsystemPattern {
    std::optional<std::uint16_t> vendor;
    std::optional<std::uint16_t> device;

    bool operator==(const SubsystemPattern&) const = default;
    bool matches(const Ids& ids) const;
    std::string str() const;
    static std::expected<SubsystemPattern, std::string> parse(std::string_view text);
};

/// What a selector is compared with.
struct DeviceFacts {
    Address address;
    Ids ids;
    std::string_view path;   ///< bridge path, `0000:00/01.0/00.0`
    std::string_view serial; ///< empty for none, or not known
};

/// How far a selector holds for a device.
enum class Match {
    no,
    yes,
    /// The selector's address (or path) is this device's, but its id, subsystem or serial number is another:
    /// a different card sits in the slot. Taking it would be taking the wrong device (case 11).
    otherCard,
};

/// A selector holds only if all of its keys do.
struct Selector {
    std::optional<Address> address;
    std::optional<IdPattern> id;
    std::optional<SubsystemPattern> subsystem;
    std::optional<std::string> path;   ///< normalised bridge path without the `path:` prefix
    std::optional<std::string> serial; ///< as parseSerial() gives it

    bool operator==(const Selector&) const = default;
    Match match(const DeviceFacts& facts) const;
    /// Whether every device that the narrow selector matches is matched by this one.
    bool covers(const Selector& narrow) const;

    /// One string for status and logs: the string form where one exists, else `{ address = "...", id = "..."
    /// }`.
    std::string str() const;

    /// Reads the string forms of config.md: an address, an id pattern or `path:...`. The error is a sentence
    /// that says what is wrong and what would be right.
    static std::expected<Selector, std::string> parse(std::string_view text);
};

/// Reads a bridge path `0000:00/01.0/00.0` (root bus, then device.function of each bridge down to the device)
/// and gives it back in the spelling that Device::path has.
std::expected<std::string, std::string> parseBridgePath(std::string_view text);

} // namespace vfiobind
